// One search thread: pads of a batch of nonces, then the loads they recall, one message each. Pads stay here; loads come and go by
// transfer, so nothing of 256 KiB is copied.
import { parentPort, workerData } from 'node:worker_threads';
import type { KernelBackend } from '@cairn/kernels';
import { loadNodeKernels } from '@cairn/kernels/node';
import { padSeeds, type RecallRange, recallLoad, type SeedBase } from '@cairn/pora';

export type PadsJob = {
  id: number;
  kind: 'pads';
  base: SeedBase;
  range: RecallRange;
  nonces: Uint8Array;
};
export type LoadJob = {
  id: number;
  kind: 'load';
  /** Which nonce of the last batch. */
  index: number;
  data: Uint8Array<ArrayBuffer>;
  present: Uint8Array;
  target: Uint8Array;
};
export type SearchJob = PadsJob | LoadJob;
export type SearchReply =
  | { id: number; kind: 'pads'; loads: (number | undefined)[]; busyMs: number }
  | { id: number; kind: 'load'; hits: number[]; data: Uint8Array<ArrayBuffer>; busyMs: number };

const port = parentPort!;
const { backend } = workerData as { backend: 'auto' | KernelBackend };
const { kernels } = await loadNodeKernels(backend);
let seeds = new Uint8Array(0);
let pads = new Uint8Array(0);

port.on('message', (job: SearchJob) => {
  const started = performance.now();
  if (job.kind === 'pads') {
    seeds = Uint8Array.from(padSeeds(kernels, job.base, job.nonces));
    const made = kernels.mining.scratchpads(seeds);
    pads = Uint8Array.from(made.pads);
    const loads = Array.from({ length: seeds.length / 64 }, (_, i) =>
      recallLoad(job.range, made.recallSeeds.subarray(32 * i, 32 * i + 32)),
    );
    const reply: SearchReply = {
      id: job.id,
      kind: 'pads',
      loads,
      busyMs: performance.now() - started,
    };
    port.postMessage(reply);
    return;
  }
  const { index, data, present, target } = job;
  const hits = kernels.mining
    .searchLoad({
      load: data,
      pad: pads.subarray(16_384 * index, 16_384 * (index + 1)),
      padSeed: seeds.subarray(64 * index, 64 * (index + 1)),
      target,
      present,
    })
    .map((hit) => hit.sealIndex);
  const reply: SearchReply = {
    id: job.id,
    kind: 'load',
    hits,
    data,
    busyMs: performance.now() - started,
  };
  port.postMessage(reply, [data.buffer]);
});
port.postMessage('ready');
