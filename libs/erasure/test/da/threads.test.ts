import { equalBytes } from '@cairn/base';
import { inlineTaskRunner, loadKernels, type TaskRunner } from '@cairn/kernels';
import { createTaskPool, type TaskPool } from '@cairn/kernels/node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DA_SHAPES, encodeBlob, encodeBlobInThreads } from '../../src/index.ts';
import { payloadOf } from '../support.ts';

const kernels = await loadKernels();
const shape = { id: 200, dataRows: 8, parityRows: 24 };

describe('encoding in threads', () => {
  let pool: TaskPool;
  beforeAll(async () => {
    pool = await createTaskPool({ threads: 2, backend: 'wasm' });
  });
  afterAll(() => pool.close());

  it('gives the blob that one thread gives, for every version and rows of one or many pieces', async () => {
    for (const runner of [pool, inlineTaskRunner(kernels)]) {
      for (const version of [0x00, 0x10, 0x11] as const) {
        for (const bytes of [1, 507, 16_379, 20_000, 70_000]) {
          const payload = payloadOf(bytes);
          const expected = encodeBlob(kernels, payload, { version, shape });
          const blob = await encodeBlobInThreads(kernels, runner, payload, { version, shape });
          expect(blob.commitment).toEqual(expected.commitment);
          expect(equalBytes(blob.rows, expected.rows)).toBe(true);
          expect(equalBytes(blob.shard([1, 9]).siblings, expected.shard([1, 9]).siblings)).toBe(
            true,
          );
        }
      }
    }
  });

  it('a shape of the network, in memory that held another blob', async () => {
    const options = { version: 0x11, shape: DA_SHAPES[1] } as const;
    const rows = new Uint8Array(new SharedArrayBuffer(16_384 * 128));
    const [a, b] = [payloadOf(500_000), payloadOf(400_000)];
    await encodeBlobInThreads(kernels, pool, a, { ...options, rows });
    const blob = await encodeBlobInThreads(kernels, pool, b, { ...options, rows });
    expect(blob.rows).toBe(rows);
    expect(blob.commitment).toEqual(encodeBlob(kernels, b, options).commitment);
  });

  it('payloads without a frame, and cancelled calls, reject', async () => {
    const options = { version: 0x11, shape } as const;
    const encode = (payload: Uint8Array, signal?: AbortSignal) =>
      encodeBlobInThreads(kernels, pool, payload, { ...options, signal });
    await expect(encode(new Uint8Array(0))).rejects.toMatchObject({ code: 'ERASURE_PAYLOAD' });
    const reason = new Error('no longer wanted');
    await expect(encode(payloadOf(9), AbortSignal.abort(reason))).rejects.toBe(reason);
    // Between two steps.
    const abort = new AbortController();
    const stopping: TaskRunner = {
      threads: 1,
      async run(tasks, { signal } = {}) {
        signal?.throwIfAborted();
        await pool.run(tasks);
        abort.abort(reason);
      },
    };
    const call = encodeBlobInThreads(kernels, stopping, payloadOf(9), {
      ...options,
      signal: abort.signal,
    });
    await expect(call).rejects.toBe(reason);
  });
});
