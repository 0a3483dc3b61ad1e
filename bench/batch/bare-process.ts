/** Measures bare onnxruntime as its argument says, and prints the figures: a process can be pinned to a core as a whole. */
import { type BareOptions, measureBare } from "./bare.ts";

const options = JSON.parse(process.argv[2] ?? "{}") as BareOptions;
process.stdout.write(JSON.stringify(await measureBare(options)));
