import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '@cairn/base';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { createLogger, Metrics } from '../src/index.ts';

const dir = mkdtempSync(join(tmpdir(), 'cairn-log-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

type Line = Record<string, unknown>;
/** Lines of a log file, once there are `count`. */
async function lines(file: string, count: number): Promise<Line[]> {
  const read = (): Line[] =>
    readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Line);
  await vi.waitFor(() => expect(read().length).toBeGreaterThanOrEqual(count), { timeout: 5000 });
  return read();
}

describe('the log', () => {
  it('writes fields, names of parts and levels, and keeps keys to itself', async () => {
    const file = join(dir, 'new', 'a.log');
    const log = createLogger({ name: 'app', file });
    log.debug({}, 'not written');
    log.child({ component: 'store' }).info({ bytes: 5 }, 'stored');
    log.info({ privateKey: '0x1', account: { secret: 'x' } }, 'account');
    const [first, second] = await lines(file, 2);
    expect(first).toMatchObject({ name: 'app', component: 'store', bytes: 5, msg: 'stored' });
    expect(second).toMatchObject({ privateKey: '[Redacted]', account: { secret: '[Redacted]' } });
  });

  it('writes an equal warning once in ten seconds, then says how many were held back', async () => {
    let now = 0;
    const clock: Clock = { now: () => now, monotonic: () => now, sleep: () => Promise.resolve() };
    const file = join(dir, 'b.log');
    const log = createLogger({ name: 'app', file, clock });
    for (let i = 0; i < 50; i++) log.child({ i }).warn({ i }, 'peer is slow');
    log.warn({}, 'another');
    now = 10_000;
    log.warn({}, 'peer is slow');
    const written = await lines(file, 3);
    expect(written.map(({ msg, heldBack }) => [msg, heldBack])).toEqual([
      ['peer is slow', undefined],
      ['another', undefined],
      ['peer is slow', 49],
    ]);
  });

  it.runIf(existsSync('/dev/full'))('a full disk does not take the process down', async () => {
    const log = createLogger({ name: 'app', file: '/dev/full' });
    const crashed = vi.fn();
    process.on('uncaughtException', crashed);
    for (let i = 0; i < 100; i++) log.info({ i }, 'a line that cannot be written');
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    process.off('uncaughtException', crashed);
    expect(crashed).not.toHaveBeenCalled();
  });
});

describe('metrics', () => {
  it('are text for Prometheus and lines for admin_getMetrics', async () => {
    const metrics = new Metrics('app', { process: false });
    const requests = metrics.counter('rpc_requests_total', 'Requests', ['outcome']);
    const seconds = metrics.histogram('rpc_seconds', 'Time');
    let free = 7;
    metrics.gauge('disk_free_bytes', 'Room', () => free);
    requests.add({ outcome: 'ok' });
    requests.add({ outcome: 'ok' }, 2);
    seconds.observe({}, 0.02);
    free = 9;
    const text = await metrics.text();
    expect(text).toContain('app_rpc_requests_total{outcome="ok"} 3');
    expect(text).toContain('app_disk_free_bytes 9');
    expect(text).toContain('app_rpc_seconds_bucket{le="0.03"} 1');
    expect(text).toContain('app_rpc_seconds_bucket{le="0.01"} 0');
    expect(await metrics.values('app_rpc_requests')).toEqual({
      'app_rpc_requests_total.ok': 'counter 3',
    });
    expect(Object.keys(await metrics.values('app_disk'))).toEqual(['app_disk_free_bytes']);
  });
});
