/** What differs between the systems that Thornback runs on, as far as the command line has to know. */
export type Platform = {
  /** Several processes can listen on one port, and the kernel spreads connections over them (`SO_REUSEPORT`). */
  readonly sharesPorts: boolean;
  /** A process's memory can be read, so that `memoryLimitBytes` is kept. */
  readonly tellsMemory: boolean;
};

/** What the system of that name (`process.platform`) can do. macOS has the option, but gives all to the newest listener. */
export function platformOf(name: string): Platform {
  return { sharesPorts: name === "linux", tellsMemory: name === "linux" };
}
