// One pass of the scrub over what a node's folder has: by the clock, from the node's own log, and in CPU time of all its threads.
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { startStorageNode, type TestChain, waitFor } from '@cairn/testkit';
import { cpuSeconds } from './da.ts';

const SCRUBBED = 'scrub pass ended';
/** No pacing. */
const FULL_RATE = String(2 ** 40);

export type ScrubPass = { ms: number; cpuMs: number };

/** Starts a node on the folder with one hashing thread, lets it scrub once, and stops it. It talks to nobody and does not mine. */
export async function scrubPass(
  chain: TestChain,
  { dir, backend }: { dir: string; backend: 'wasm' | 'native' },
): Promise<ScrubPass> {
  const logFile = join(dir, 'scrub.jsonl');
  rmSync(logFile, { force: true }); // of the pass before
  await using node = await startStorageNode(chain, dir, [
    ...['--kernels', backend, '--hash-threads', '1'],
    ...['--log-level', 'info', '--log-file', logFile],
    ...['--scrub-bytes-per-second', FULL_RATE],
  ]);
  const started = cpuSeconds(node.pid);
  const ms = await waitFor(() => loggedMs(logFile, SCRUBBED), {
    timeoutMs: 120_000,
    what: SCRUBBED,
    intervalMs: 5,
  });
  return { ms, cpuMs: (cpuSeconds(node.pid) - started) * 1000 };
}

/** Milliseconds in the node's line with this message, when it came. */
export function loggedMs(path: string, message: string): number | undefined {
  let text = '';
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return undefined; // not there yet
  }
  for (const line of text.split('\n')) {
    if (!line.includes(message) || !line.endsWith('}')) continue;
    const { ms } = JSON.parse(line) as { ms: number };
    return ms;
  }
  return undefined;
}
