/*
 * Blobs on a devnet of seven DA nodes and one disperser, every process on this machine: how long a blob takes to its confirmation,
 * what one disperser sustains and who uses the cores meanwhile, what is sent and paid per byte, what the disperser holds.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type Hex, parseAddress } from '@cairn/base';
import { createTransactionSender } from '@cairn/chain';
import { createDaReader, depositCall } from '@cairn/chain/da';
import { loadNodeKernels } from '@cairn/kernels/node';
import { type DevnetFile, devnetFileSchema } from '@cairn/protocol';
import { DisperserClient } from '@cairn/rpc/grpc';
import { createBlobAccount, disperseThrough, type ThroughDeps } from '@cairn/sdk/da';
import { patternBytes, peakRssBytes, REPOSITORY } from '@cairn/testkit';
import {
  type BenchFigure,
  type BenchRow,
  median,
  type Suite,
  type SuiteResult,
} from './harness.ts';

const MIB = 1024 * 1024;
/** The last is the most that 0G's clients send, 31 MiB less 4 bytes. */
const SIZES: readonly [string, number][] = [
  ['1KiB', 1024],
  ['128KiB', 128 * 1024],
  ['1MiB', MIB],
  ['8MiB', 8 * MIB],
  ['31MiB', 32_505_852],
];
/** Sustained: so many blobs of this size, so many at once. A few wait for the same block together, more keep the cores busy. */
const LOADS = [
  { bytes: 8 * MIB, blobs: 32, inFlight: 4 },
  { bytes: 8 * MIB, blobs: 48, inFlight: 8 },
] as const;
type Load = (typeof LOADS)[number];
const DEPOSIT_WEI = 10n ** 18n;
/** Ticks of /proc/PID/stat a second, on every Linux that Node runs on. */
const TICKS = 100;

type Running = AsyncDisposable & { dir: string; file: DevnetFile };

export async function startDevnet(): Promise<Running> {
  const dir = mkdtempSync(join(tmpdir(), 'cairn-bench-da-'));
  const args = ['--dir', dir, '--nodes', '1', '--shards', '1', '--no-mine', '--da', '7', '--json'];
  const child = spawn(
    process.execPath,
    ['--conditions=source', join(REPOSITORY, 'apps/devnet/src/main.ts'), ...args],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const line = await Promise.race([
    new Promise<string>((resolve) =>
      createInterface({ input: child.stdout }).once('line', resolve),
    ),
    ended.then(() => {
      throw new Error('the devnet ended before it was up');
    }),
  ]);
  return {
    dir,
    file: devnetFileSchema.parse(JSON.parse(line)),
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      await ended;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

async function connect(file: DevnetFile): Promise<ThroughDeps & Disposable> {
  const { daRegistry, daEntrance, stakeVault, daChallenges } = file.contracts;
  const contracts = {
    registry: daRegistry!,
    entrance: daEntrance!,
    vault: stakeVault!,
    challenges: daChallenges!,
  };
  const { rpcUrl } = file;
  const privateKey = readFileSync(file.accounts[2]!.privateKeyFile, 'utf8').trim() as Hex;
  const reader = createDaReader({ rpcUrl, contracts });
  const sender = createTransactionSender({ rpcUrl, privateKey, pollMs: 50 });
  await sender.send(depositCall(contracts, sender.address, DEPOSIT_WEI));
  const entrance = { chainId: file.chainId, contract: parseAddress(contracts.entrance) };
  const { kernels } = await loadNodeKernels();
  const client = new DisperserClient(file.da!.disperserGrpc);
  return {
    ...{ client, reader, sender, kernels, entrance },
    account: createBlobAccount(privateKey, entrance),
    [Symbol.dispose]: () => client.close(),
  };
}

let seed = 1;
/** No two blobs are alike. */
const blobOf = (bytes: number): Uint8Array => patternBytes(bytes, seed++);

async function put(deps: ThroughDeps, bytes: number, signal?: AbortSignal): Promise<number> {
  const data = blobOf(bytes);
  const started = performance.now();
  // The disperser is measured, not a client that encodes everything once more on the same cores.
  await disperseThrough(deps, data, { trust: true, signal });
  return performance.now() - started;
}

/** CPU seconds of a process so far. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

type Cpu = { disperser: number; members: number; client: number };

function cpuOf({ da }: DevnetFile): Cpu {
  const { user, system } = process.cpuUsage();
  return {
    disperser: cpuSeconds(da!.disperserPid),
    members: da!.nodes.reduce((sum, { pid }) => sum + cpuSeconds(pid), 0),
    client: (user + system) / 1e6,
  };
}

type Sustained = {
  load: Load;
  megabytesPerSecond: number;
  /** CPU milliseconds per MB of blob. */
  cpu: Cpu;
  /** The disperser's highest RSS so far. */
  peakBytes: number;
};

async function sustain(
  deps: ThroughDeps,
  file: DevnetFile,
  load: Load,
  signal?: AbortSignal,
): Promise<Sustained> {
  const before = cpuOf(file);
  const started = performance.now();
  let left = load.blobs as number;
  await Promise.all(
    Array.from({ length: load.inFlight }, async () => {
      while (left-- > 0) await put(deps, load.bytes, signal);
    }),
  );
  const seconds = (performance.now() - started) / 1000;
  const after = cpuOf(file);
  const megabytes = (load.blobs * load.bytes) / 1e6;
  const share = (who: keyof Cpu): number => ((after[who] - before[who]) * 1000) / megabytes;
  return {
    load,
    megabytesPerSecond: megabytes / seconds,
    cpu: { disperser: share('disperser'), members: share('members'), client: share('client') },
    peakBytes: peakRssBytes(file.da!.disperserPid),
  };
}

/** One blob without a disperser, through the command line: what it sent and paid. */
function direct(
  { dir, file }: Running,
  bytes: number,
): Promise<{ sentBytes: number; gasUsed: number }> {
  const path = join(dir, 'direct.bin');
  writeFileSync(path, blobOf(bytes));
  const child: ChildProcess = spawn(
    process.execPath,
    [
      join(REPOSITORY, 'apps/cli/bin/cairn.cjs'),
      ...['da', 'put', path, '--direct', '--json', '--key-file', file.accounts[3]!.privateKeyFile],
    ],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, CAIRN_DEVNET: join(dir, 'devnet.json') },
    },
  );
  let output = '';
  child.stdout!.on('data', (part: Buffer) => (output += part.toString()));
  return new Promise((resolve, reject) => {
    child.once('close', (code) =>
      code === 0
        ? resolve(JSON.parse(output) as { sentBytes: number; gasUsed: number })
        : reject(new Error(`cairn da put ended with ${code}: ${output}`)),
    );
  });
}

async function run(options: { rounds?: number; signal?: AbortSignal }): Promise<SuiteResult> {
  const rounds = options.rounds ?? 7;
  await using devnet = await startDevnet();
  const { file } = devnet;
  using deps = await connect(file);
  const samples = new Map<string, number[]>(SIZES.map(([name]) => [name, []]));
  for (let round = 0; round <= rounds; round++)
    for (const [name, bytes] of SIZES) {
      const ms = await put(deps, bytes, options.signal);
      if (round > 0) samples.get(name)!.push(ms); // the first round warms everything up
    }
  const rows = SIZES.map(([name, bytes]): BenchRow => {
    const samplesMs = samples.get(name)!;
    return {
      name: `da.put-to-confirmed/size=${name}`,
      work: bytes,
      p50Ms: median(samplesMs),
      minMs: Math.min(...samplesMs),
      megabytesPerSecond: bytes / median(samplesMs) / 1e3,
      clock: 'wall',
      samplesMs,
    };
  });

  const loads: Sustained[] = [];
  for (const load of LOADS) loads.push(await sustain(deps, file, load, options.signal));
  const sent = await direct(devnet, 8 * MIB);
  const small = await direct(devnet, MIB);

  const percentile95 = (values: readonly number[]): number =>
    values.toSorted((a, b) => a - b)[Math.ceil(0.95 * values.length) - 1]!;
  const figures: BenchFigure[] = [
    ...SIZES.map(
      ([name]): BenchFigure => ({
        name: `da.put-to-confirmed.p95/size=${name}`,
        value: percentile95(samples.get(name)!) / 1000,
        unit: 's',
      }),
    ),
    {
      name: 'da.put-to-confirmed.p50/size=1MiB',
      value: median(samples.get('1MiB')!) / 1000,
      unit: 's',
      atMost: 2,
    },
    ...loads.map(
      ({ load, megabytesPerSecond }): BenchFigure => ({
        name: `da.sustained/size=8MiB in-flight=${load.inFlight}`,
        value: megabytesPerSecond,
        unit: 'MB/s',
      }),
    ),
    { name: 'da.sent-per-byte/size=8MiB', value: sent.sentBytes / (8 * MIB), unit: 'bytes' },
    { name: 'da.gas-per-MiB/size=1MiB', value: small.gasUsed, unit: 'gas' },
    { name: 'da.gas-per-MiB/size=8MiB', value: sent.gasUsed / 8, unit: 'gas' },
    ...loads.map(
      ({ load, peakBytes }): BenchFigure => ({
        name: `da.disperser.peak/in-flight=${load.inFlight}`,
        value: peakBytes / MIB,
        unit: 'MiB RSS',
        atMost: 250 + 6 * ((load.inFlight * load.bytes) / MIB),
      }),
    ),
  ];
  return {
    rows,
    ratios: [],
    figures,
    notes: [
      ...loads.map(
        ({ load, cpu }) =>
          `${load.inFlight} in flight: ${cpu.disperser.toFixed(1)} ms of CPU per MB in the disperser, ${cpu.members.toFixed(1)} in the seven members, ${cpu.client.toFixed(1)} in the client; all of them share these cores, so their sum is the limit. Target 12 MB/s on 2 cores.`,
      ),
      'Peaks are of the life of the process, blobs of 31 MiB before the loads included.',
      'Put to confirmed includes the wait for a block (one a second). The client trusts the disperser: it does not encode the data itself.',
      'Sent: rows to all members over the blob, each member its own rows and samples. Gas: confirmBatch of one blob, whatever its size.',
    ],
  };
}

export const suite: Suite = {
  description: 'blobs on a devnet: latency, load, bytes, gas, memory',
  run,
};
