/*
 * Posts batches as op-batcher does with alt-DA: frames of at most 130,672 bytes, several requests at once, every failure tried
 * again with backoff, and 503 taken as "use Ethereum for this one". Then reads each back as op-node does.
 *
 *     node --conditions=source e2e/examples/op-poster.ts [URL] [FRAMES] [CONCURRENCY]
 */
import { randomBytes } from 'node:crypto';

const FRAME_BYTES_MAX = 130_672;
const TRIES = 10;
const [url = 'http://127.0.0.1:3100', frames = '8', concurrency = '4'] = process.argv.slice(2);

type Posted = { frame: Uint8Array<ArrayBuffer>; transaction: Uint8Array; ms: number };

/** What goes into the batcher's transaction: version byte 1 and the commitment, or version byte 0 and the frame itself. */
async function post(frame: Uint8Array<ArrayBuffer>): Promise<Posted> {
  const started = performance.now();
  for (let attempt = 1; ; attempt++) {
    const response = await fetch(`${url}/put`, { method: 'POST', body: frame }).catch(() => null);
    const done = (version: number, body: Uint8Array): Posted => ({
      frame,
      transaction: Uint8Array.of(version, ...body),
      ms: performance.now() - started,
    });
    if (response?.status === 200) return done(1, new Uint8Array(await response.arrayBuffer()));
    if (response?.status === 503) return done(0, frame);
    if (attempt === TRIES) throw new Error(`given up after ${TRIES} tries: ${response?.status}`);
    await new Promise((resolve) => setTimeout(resolve, 250 * 2 ** attempt));
  }
}

const queue = Array.from(
  { length: Number(frames) },
  () => new Uint8Array(randomBytes(FRAME_BYTES_MAX)),
);
const posted: Posted[] = [];
const lane = async (): Promise<void> => {
  for (let frame = queue.shift(); frame; frame = queue.shift()) posted.push(await post(frame));
};
await Promise.all(Array.from({ length: Number(concurrency) }, lane));

let verified = 0;
const onDa = posted.filter(({ transaction }) => transaction[0] === 1);
for (const { frame, transaction } of onDa) {
  const commitment = Buffer.from(transaction.subarray(1)).toString('hex');
  const response = await fetch(`${url}/get/0x${commitment}`);
  if (response.status !== 200) throw new Error(`reading answered ${response.status}`);
  if (Buffer.from(await response.arrayBuffer()).equals(frame)) verified++;
}
const slowest = Math.max(...posted.map(({ ms }) => ms));
const bytes = onDa.reduce((sum, { transaction }) => sum + transaction.length, 0);
console.log(
  JSON.stringify({
    frames: posted.length,
    onDa: onDa.length,
    verified,
    slowestMs: Math.round(slowest),
    bytesOnChainPerFrame: onDa.length === 0 ? null : Math.round(bytes / onDa.length),
  }),
);
process.exit(verified === onDa.length ? 0 : 1);
