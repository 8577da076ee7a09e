/*
 * docs/reliability.md: what was seen, row by row. Rows run at different times, each for minutes, so a run writes what it saw into
 * the JSON file beside the page and the page is made anew from all of it. A row that never ran says so.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { FOUND_AND_FIXED } from './found.ts';
import { FAMILIES, type Family, type FaultRow, type Seen } from './row.ts';

export type RowRun = Seen & {
  /** ISO date and time of the end. */
  date: string;
  commit: string;
  command: string;
  seed: number;
  seconds: number;
  /** Load average of the machine when the row began: times suffer from it, counts do not. */
  load: number;
};
export type Runs = Record<string, RowRun>;

const TITLES: Record<Family, string> = {
  store: 'The store of one node',
  rot: 'Rot on disk',
  code: 'Erasure code',
  nodes: 'Nodes that die',
  network: 'The network between them',
  chain: 'The chain',
  hostile: 'Hostile input',
  kv: 'Key-value streams',
};

/** Where the runs behind a page are kept. */
export const runsPath = (pagePath: string): string => pagePath.replace(/(\.md)?$/, '.json');

/** The runs behind a page; none when it is not there. Throws when the file is not what was written. */
export function readRuns(path: string): Runs {
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Runs) : {};
}

/** Writes the page and the runs behind it. Rows that no longer exist are dropped. */
export function writePage(pagePath: string, rows: readonly FaultRow[], runs: Runs): void {
  const known = Object.fromEntries(
    rows.flatMap(({ id }) => (runs[id] ? [[id, runs[id]] as const] : [])),
  );
  writeFileSync(runsPath(pagePath), `${JSON.stringify(known, null, 2)}\n`);
  writeFileSync(pagePath, pageOf(rows, known));
}

export function pageOf(rows: readonly FaultRow[], runs: Runs): string {
  const ran = rows.filter(({ id }) => runs[id]);
  const failed = ran.filter(({ id }) => runs[id]!.failures.length > 0);
  const sections = FAMILIES.map((family) => {
    const mine = rows.filter((row) => row.family === family);
    return mine.length === 0 ? '' : `## ${TITLES[family]}\n\n${table(mine, runs)}\n`;
  }).filter((section) => section !== '');
  return `# Reliability

Faults that were tried. Made by \`npm run soak -- [rows] --write docs/reliability.md\`; \`npm run soak -- --list\` names the rows. The table
holds what was seen and nothing else: each row says when and at which commit it ran, how many faults it injected, and the seed that
repeats it. Do not edit.

${rows.length} rows, ${ran.length} ran, ${failed.length} of them failed.

${sections.join('\n')}
## Found and fixed

${foundList()}
`;
}

function table(rows: readonly FaultRow[], runs: Runs): string {
  const lines = rows.map((row) => {
    const run = runs[row.id];
    const cells = run
      ? [count(run.count, row), figures(run), String(run.seed), when(run), verdict(run)]
      : ['', '', '', '', 'not run'];
    return [`\`${row.id}\``, row.injection, row.pass, ...cells];
  });
  const head = ['row', 'injection', 'must hold', 'injected', 'seen', 'seed', 'run', 'verdict'];
  return [head, head.map(() => '---'), ...lines]
    .map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`)
    .join('\n');
}

const count = (value: number, { unit }: FaultRow): string =>
  `${value.toLocaleString('en-US')} ${unit}`;
const figures = ({ figures: seen }: RowRun): string => (seen.length > 0 ? seen.join('; ') : '–');
const when = ({ date, commit, seconds, load }: RowRun): string =>
  `${date.slice(0, 16).replace('T', ' ')}, ${commit}, ${seconds} s, load ${load.toFixed(1)}`;
const verdict = ({ failures }: RowRun): string =>
  failures.length === 0 ? 'passed' : `**failed**: ${failures[0]!.split('\n')[0]!.slice(0, 200)}`;

function foundList(): string {
  if (FOUND_AND_FIXED.length === 0) return 'Nothing yet.';
  return FOUND_AND_FIXED.map(
    ({ date, row, found, fix }) => `- ${date}, \`${row}\`: ${found} ${fix}`,
  ).join('\n');
}
