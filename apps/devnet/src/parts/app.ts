import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ChildOptions } from '../processes/child.ts';

const READY_MS = 90_000;

/** How an app of this repository is started as a child: small young generation, JSON log, one line when it serves. */
export function appProcess(
  app: string,
  options: { name: string; logDir: string; args: readonly string[] },
): ChildOptions {
  const { name, logDir } = options;
  return {
    name,
    kind: app,
    command: process.execPath,
    args: [
      '--max-semi-space-size=4',
      '--conditions=source',
      fileURLToPath(new URL(`../../../${app}/src/main.ts`, import.meta.url)),
      ...options.args,
      '--log-file',
      join(logDir, `${name}.jsonl`),
      '--ready-json',
      '--exit-with-parent',
    ],
    logDir,
    readyMs: READY_MS,
  };
}
