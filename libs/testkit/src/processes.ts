import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Deployment } from '@cairn/protocol';
import { REPOSITORY } from './anvil.ts';

export type TestProcess = AsyncDisposable & {
  /** The JSON object it printed first. */
  ready: Record<string, unknown>;
  pid: number;
  /** Most resident memory so far, in bytes (Linux). */
  peakRssBytes(): number;
  /** Sends a signal and waits for the end of the process. */
  stop(signal?: NodeJS.Signals): Promise<void>;
};

/** Most resident memory a process ever had, in bytes; 0 where /proc is missing. */
export const peakRssBytes = (pid: number): number => statusBytes(pid, 'VmHWM');

/** Resident memory of a process now, in bytes; 0 where /proc is missing, or the process. */
export const rssBytes = (pid: number): number => statusBytes(pid, 'VmRSS');

function statusBytes(pid: number, field: string): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** `env`: variables on top of our own. */
export type ProcessOptions = { env?: Readonly<Record<string, string>> | undefined };

/** Starts a program of this repository that prints one JSON line when it serves. */
export async function startProcess(
  entry: string,
  args: readonly string[],
  { env }: ProcessOptions = {},
): Promise<TestProcess> {
  const child: ChildProcess = spawn(
    process.execPath,
    ['--conditions=source', join(REPOSITORY, entry), ...args],
    { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...env } },
  );
  const gone = new Promise<never>((_, reject) => {
    child.once('exit', (code) => reject(new Error(`${entry} ended with ${code}`)));
  });
  gone.catch(() => {}); // only its being first matters
  const line = await Promise.race([
    new Promise<string>((resolve) =>
      createInterface({ input: child.stdout! }).once('line', resolve),
    ),
    gone,
  ]);
  const pid = child.pid!;
  const stop = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await ended;
  };
  return {
    ready: JSON.parse(line) as Record<string, unknown>,
    pid,
    peakRssBytes: () => peakRssBytes(pid),
    stop,
    [Symbol.asyncDispose]: () => stop(),
  };
}

/** A storage node on free ports that follows `chain`; `extra` flags go last. */
export function startStorageNode(
  chain: { rpcUrl: string; deployment: Deployment },
  dataDir: string,
  extra: readonly string[] = [],
  options: ProcessOptions = {},
): Promise<TestProcess> {
  const flags = [
    '--data-dir',
    dataDir,
    '--chain-rpc-url',
    chain.rpcUrl,
    '--flow-address',
    chain.deployment.contracts.flow,
    '--rpc-port',
    '0',
    '--admin-port',
    '0',
    '--confirmation-blocks',
    '0',
    '--poll-ms',
    '50',
    '--log-level',
    'warn',
    '--no-p2p',
    '--ready-json',
    ...extra,
  ];
  return startProcess('apps/storage-node/src/main.ts', flags, options);
}

/** Flags of a node that talks to peers on this machine; the ready line names its `p2pAddresses`. */
export const peerFlags = (bootNodes: readonly string[]): string[] => [
  '--p2p',
  ...['--p2p-host', '127.0.0.1'],
  ...['--p2p-port', '0'],
  '--allow-private-addresses',
  ...(bootNodes.length > 0 ? ['--boot-nodes', bootNodes.join(',')] : []),
];

/** An indexer on a free port that trusts these nodes. */
export function startIndexer(
  nodeUrls: readonly string[],
  extra: readonly string[] = [],
): Promise<TestProcess> {
  return startProcess('apps/indexer/src/main.ts', [
    '--trusted',
    nodeUrls.join(','),
    '--port',
    '0',
    '--log-level',
    'warn',
    '--ready-json',
    ...extra,
  ]);
}

/** A KV node on free ports that watches `streamIds` and asks these storage nodes for batches. */
export function startKvNode(
  chain: { rpcUrl: string; deployment: Deployment },
  dataDir: string,
  options: {
    nodeUrls: readonly string[];
    streamIds?: readonly string[];
    extra?: readonly string[];
  },
): Promise<TestProcess> {
  return startProcess('apps/kv-node/src/main.ts', [
    '--data-dir',
    dataDir,
    '--chain-rpc-url',
    chain.rpcUrl,
    '--flow-address',
    chain.deployment.contracts.flow,
    '--nodes',
    options.nodeUrls.join(','),
    '--stream-ids',
    (options.streamIds ?? []).join(','),
    '--rpc-port',
    '0',
    '--admin-port',
    '0',
    '--confirmation-blocks',
    '0',
    '--poll-ms',
    '50',
    '--log-level',
    'warn',
    '--ready-json',
    ...(options.extra ?? []),
  ]);
}
