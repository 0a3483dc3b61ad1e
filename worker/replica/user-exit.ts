import { describeLocation, userFrame } from "../../core/user-frame.ts";

/** Thrown where user code calls `process.exit`, so that what comes after it does not run. */
export class ExitCalled extends Error {
  override readonly name = "ExitCalled";
}

/** The part of a process that ends it. */
type EndingProcess = { exit(code?: number | string | null): never };

/**
 * Turns `process.exit()` in user code into a failure that says where it was called: a replica that just vanished would
 * leave nobody the reason. Returns the way out that was there before.
 *
 * @param onExit told once per call, before the caller is unwound.
 */
export function catchUserExit(
  target: EndingProcess,
  applicationDir: () => string,
  onExit: (reason: string) => void,
): (code: number) => never {
  const exit = target.exit.bind(target);
  target.exit = (code = 0): never => {
    const thrown = new ExitCalled(`process.exit(${String(code)}) was called`);
    const place = describeLocation(userFrame(thrown.stack ?? ""), applicationDir());
    onExit(place === "" ? thrown.message : `${thrown.message} at ${place}`);
    throw thrown;
  };
  return exit;
}
