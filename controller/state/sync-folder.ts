import { open } from "node:fs/promises";

/** Makes a rename or a new file in a folder survive a power failure. */
export async function syncFolder(dir: string): Promise<void> {
  const folder = await open(dir, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
