import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { waitFor } from '@cairn/testkit';
import { expect, it } from 'vitest';
import { flip, inputOf, type OnRollups, same } from '../../src/rollup-network.ts';

/** Other settings of the disperser, and its death during a put. */
export function otherSettings(on: OnRollups): void {
  it("0G's 50-byte commitments, found again from the chain by a server that never stored them", async () => {
    await on().restart(['--op-format', '0g']);
    const data = inputOf(40_000, 21);
    const commitment = await on().op.put(data);
    expect(commitment).toHaveLength(50);
    expect([...commitment.subarray(0, 2)]).toEqual([0x01, 0x47]);
    expect(same(await on().op.input(commitment), data)).toBe(true);
    await on().network.disperser.stop();
    for (const end of ['', '-wal'])
      rmSync(join(on().network.dir, 'disperser', `rollup.db${end}`), { force: true });
    await on().restart(['--rollup-read-only']);
    expect(same(await on().op.input(commitment), data)).toBe(true);
    // Certain only for an epoch that is over for good; 503 before.
    expect((await on().op.get(flip(commitment, 49))).status).toBe(503);
    expect((await on().op.get(commitment.subarray(0, 49))).status).toBe(418);
    expect((await on().op.post('/put', data)).status).toBe(500);
    expect(JSON.parse((await on().op.request('/config')).text)).toMatchObject({
      read_only_mode: true,
    });
  });

  it('a put that takes too long is 503; a size that the body limit lets through is taken', async () => {
    await on().restart([
      '--rollup-put-timeout-ms',
      '1',
      '--no-nitro-chunked-store',
      '--nitro-body-bytes',
      '100000',
    ]);
    expect((await on().op.post('/put', inputOf(10, 31))).status).toBe(503);
    const max = await on().nitro.maxMessageSize();
    expect(max).toBeLessThan(50_000);
    await expect(on().nitro.store(inputOf(max, 32))).rejects.toThrow(
      'DA provider requests fallback to next writer',
    );
  });

  it('a disperser killed during a held put: the client repeats, and what was stored before is there', async () => {
    await on().restart();
    const before = await on().op.put(inputOf(1000, 41));
    const held = on()
      .op.put(inputOf(2000, 42))
      .catch(() => 'broken off');
    await waitFor(
      async () => /^disperser_queue_pending_blobs [1-9]/m.test(await on().metrics()) || undefined,
      { timeoutMs: 10_000, what: 'the put to be accepted' },
    );
    await on().network.disperser.stop('SIGKILL');
    expect(await held).toBe('broken off');
    await on().restart();
    expect(same(await on().op.input(before), inputOf(1000, 41))).toBe(true);
    const again = await on().op.put(inputOf(2000, 42));
    expect(same(await on().op.input(again), inputOf(2000, 42))).toBe(true);
  });
}
