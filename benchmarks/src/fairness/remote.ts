// A miner that stores nothing and fetches what it recalls: how fast is it beside one that reads its own disk?
import { once } from 'node:events';
import { type FileHandle, open, writeFile } from 'node:fs/promises';
import { Agent, get, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Kernels } from '@cairn/kernels';
import { BYTES_PER_LOAD } from '@cairn/pora';
import { temporaryFolder } from '@cairn/testkit';
import { median } from '../harness.ts';
import { type Draw, ModelMiner } from './miner.ts';
import { type MinedRange, makeId, SeededBytes, sealedCopy } from './range.ts';

const LATENCIES_MS = [1, 10, 100] as const;
/** Four is what our search keeps in flight per thread; a fetching miner would keep more. */
const IN_FLIGHT = [4, 64] as const;
const WINDOW_MS = 1500;

export type RemoteResult = {
  /** Undefined: the own disk. */
  latencyMs: number | undefined;
  inFlight: number;
  /** Per second of the wall clock. */
  iterations: number;
  relative: number;
  megabytesPerSecond: number;
};

type Source = (load: number) => Promise<Uint8Array>;

export async function remoteExperiment(
  kernels: Kernels,
  range: MinedRange,
  options: { seed: string; rounds: number; signal: AbortSignal },
): Promise<RemoteResult[]> {
  const { seed, rounds, signal } = options;
  await using stack = new AsyncDisposableStack();
  const id = makeId(seed, 'remote', range);
  const sealed = sealedCopy(kernels, id, range);
  const folder = stack.use(await temporaryFolder());
  await writeFile(join(folder.path, 'sealed'), sealed);
  const file = stack.use(await open(join(folder.path, 'sealed')));
  const server = new Worker(new URL('./remote-server.ts', import.meta.url), {
    workerData: { sealed },
  });
  stack.defer(async () => void (await server.terminate()));
  const [port] = (await once(server, 'message')) as [number];
  const miner = new ModelMiner(kernels, id, range, new SeededBytes(`${seed}/remote`));
  const contenders = [
    { latencyMs: undefined, inFlight: IN_FLIGHT[0], source: fromFile(file) },
    ...LATENCIES_MS.flatMap((latencyMs) =>
      IN_FLIGHT.map((inFlight) => {
        const agent = new Agent({ keepAlive: true, maxSockets: inFlight });
        stack.defer(() => agent.destroy());
        return { latencyMs, inFlight, source: fromRemote(port, latencyMs, agent) };
      }),
    ),
  ];
  const rates = contenders.map((): number[] => []);
  for (let round = -1; round < rounds; round++)
    for (const [i, { source, inFlight }] of contenders.entries()) {
      signal.throwIfAborted();
      const rate = await iterationsPerSecond(miner, source, inFlight);
      if (round >= 0) rates[i]!.push(rate);
    }
  return contenders.map(({ latencyMs, inFlight }, i) => {
    const iterations = median(rates[i]!);
    return {
      latencyMs,
      inFlight,
      iterations,
      relative: median(rates[i]!.map((rate, round) => rate / rates[0]![round]!)),
      megabytesPerSecond: (iterations * BYTES_PER_LOAD) / 1e6,
    };
  });
}

/** Lanes that draw, wait for their load and hash it; one thread hashes. */
async function iterationsPerSecond(
  miner: ModelMiner,
  source: Source,
  lanes: number,
): Promise<number> {
  const waiting: Draw[] = [];
  let searched = 0;
  const started = performance.now();
  const isOver = (): boolean => performance.now() - started > WINDOW_MS;
  const lane = async (): Promise<void> => {
    while (!isOver()) {
      if (waiting.length === 0) waiting.push(...miner.draw());
      const draw = waiting.pop()!;
      miner.search(draw, await source(draw.load));
      searched++;
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return (1000 * searched) / (performance.now() - started);
}

function fromFile(file: FileHandle): Source {
  return async (load) => {
    const data = new Uint8Array(BYTES_PER_LOAD);
    await file.read(data, 0, BYTES_PER_LOAD, load * BYTES_PER_LOAD);
    return data;
  };
}

function fromRemote(port: number, latencyMs: number, agent: Agent): Source {
  return async (load) => {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    get({ port, host: '127.0.0.1', path: `/${latencyMs}/${load}`, agent }, resolve).on(
      'error',
      reject,
    );
    const data = new Uint8Array(BYTES_PER_LOAD);
    let at = 0;
    for await (const part of await promise) {
      data.set(part as Uint8Array, at);
      at += (part as Uint8Array).length;
    }
    return data;
  };
}
