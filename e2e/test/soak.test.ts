// Short forms of the rows of docs/reliability.md that no other test injects. `npm run soak` has the long ones.
import { expect, it } from 'vitest';
import { chooseRows, ROWS } from '../soak/registry.ts';
import { pageOf } from '../soak/report.ts';

/** Rows that bring their own processes and are quick. */
const SHORT = [
  'kill-ingest',
  'fuzz-json-rpc',
  'fuzz-http',
  'fuzz-libp2p',
  'bad-rpc',
  'unpaid-uploads',
];
const SEED = 1;

it.each(SHORT)('%s', async (id) => {
  const rows = chooseRows([id]);
  if ('unknown' in rows) throw new Error(`no row ${id}`);
  const [row] = rows;
  const { signal } = new AbortController();
  const options = { size: row!.size.short, seed: SEED, isTimed: false, signal, log: () => {} };
  const seen = await row!.run(options);
  expect(seen.failures, `seed ${SEED}`).toEqual([]);
  expect(seen.count).toBeGreaterThanOrEqual(row!.size.short);
});

it('the page tells what ran and what did not', () => {
  const [ran, failed, rest] = [ROWS[0]!, ROWS[1]!, ROWS[2]!];
  const run = {
    date: '2026-11-25T03:00:00.000Z',
    commit: 'abc1234',
    command: '',
    seed: 7,
    seconds: 3,
    load: 1.5,
    count: 1234,
    figures: ['p95 9 ms'],
    failures: [],
  };
  const page = pageOf(ROWS, {
    [ran.id]: run,
    [failed.id]: { ...run, failures: ['segment 3 | lost\nmore'] },
  });
  const line = (id: string): string =>
    page.split('\n').find((text) => text.startsWith(`| \`${id}\``))!;
  expect(page).toContain(`${ROWS.length} rows, 2 ran, 1 of them failed.`);
  expect(line(ran.id)).toContain(
    `1,234 ${ran.unit} | p95 9 ms | 7 | 2026-11-25 03:00, abc1234, 3 s, load 1.5 | passed |`,
  );
  expect(line(failed.id)).toContain('**failed**: segment 3 \\| lost |');
  expect(line(rest.id)).toMatch(/\| not run \|$/);
  expect(new Set(ROWS.map(({ id }) => id)).size).toBe(ROWS.length);
});
