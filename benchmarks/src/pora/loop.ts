// A process that mines a range in memory on one thread and says how fast, once a second: the ceiling that a machine gives to
// independent processes. node loop.ts --backend wasm|native; ends with its parent's pipe.
import { parseArgs } from 'node:util';
import type { KernelBackend } from '@cairn/kernels';
import { loadNodeKernels } from '@cairn/kernels/node';
import { BYTES_PER_LOAD } from '@cairn/pora';
import { ModelMiner } from '../fairness/miner.ts';
import { makeId, makeRange, SeededBytes, sealedCopy } from '../fairness/range.ts';

const { values } = parseArgs({ options: { backend: { type: 'string', default: 'auto' } } });
const { kernels } = await loadNodeKernels(values.backend as 'auto' | KernelBackend);
const range = makeRange('loop', 64);
const id = makeId('loop', 'a', range);
const sealed = sealedCopy(kernels, id, range);
const miner = new ModelMiner(kernels, id, range, new SeededBytes('loop/nonces'));
console.log(JSON.stringify({ backend: kernels.backend }));
process.stdin.on('end', () => process.exit(0)).resume();
let [since, done] = [performance.now(), 0];
for (;;) {
  for (const draw of miner.draw()) {
    const from = draw.load * BYTES_PER_LOAD;
    miner.search(draw, sealed.subarray(from, from + BYTES_PER_LOAD));
    done++;
  }
  const now = performance.now();
  if (now - since < 1000) continue;
  console.log(JSON.stringify({ perSecond: (1000 * done) / (now - since) }));
  [since, done] = [now, 0];
  await new Promise(setImmediate); // sees the end of its input
}
