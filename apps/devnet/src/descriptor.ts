import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type DevnetFile, devnetFileSchema } from '@cairn/protocol';

const pathOf = (dir: string): string => join(dir, 'devnet.json');

/** The devnet that runs in this folder, if its process lives. */
export function runningDevnet(dir: string): DevnetFile | undefined {
  if (!existsSync(pathOf(dir))) return undefined;
  try {
    const file = devnetFileSchema.parse(JSON.parse(readFileSync(pathOf(dir), 'utf8')));
    process.kill(file.pid, 0);
    return file;
  } catch {
    return undefined; // damaged or left behind by a killed process: the next start replaces it
  }
}

/** Writes `devnet.json` in one step: a reader sees the whole of it or none. */
export function writeDescriptor(dir: string, file: DevnetFile): void {
  const path = pathOf(dir);
  writeFileSync(`${path}.new`, `${JSON.stringify(devnetFileSchema.parse(file), null, 2)}\n`);
  renameSync(`${path}.new`, path);
}

export function removeDescriptor(dir: string): void {
  rmSync(pathOf(dir), { force: true });
}
