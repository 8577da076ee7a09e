// Rows whose faults a test of the ordinary suites injects: the same test, with larger numbers.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FAULT_COUNT_VARIABLE, FAULT_SEED_VARIABLE, REPOSITORY } from '@cairn/testkit';
import { type FaultRow, Observations, type RowOptions, type Seen } from './row.ts';

export type TestRow = Omit<FaultRow, 'run'> & {
  project: 'unit' | 'e2e';
  file: string;
  /** Tests whose full name (suites and title) matches this regular expression. */
  name: string;
};

type Assertion = {
  status: string;
  fullName: string;
  meta: { faults?: number; figures?: string[] };
  failureMessages: string[] | null;
};
type Report = { testResults: { status: string; message: string; assertionResults: Assertion[] }[] };

const OUTPUT_TAIL = 2000;

/** A row that runs tests. */
export function testRow({ project, file, name, ...row }: TestRow): FaultRow {
  return { ...row, run: (options) => runTests({ project, file, name }, options) };
}

async function runTests(
  { project, file, name }: Pick<TestRow, 'project' | 'file' | 'name'>,
  { size, seed, signal }: RowOptions,
): Promise<Seen> {
  const observed = new Observations();
  const folder = mkdtempSync(join(tmpdir(), 'cairn-soak-'));
  const reportPath = join(folder, 'report.json');
  try {
    const output = await runVitest(
      [
        ...['run', '--project', project, file, '-t', name, '--testTimeout', '0'],
        ...['--reporter=json', `--outputFile=${reportPath}`],
      ],
      {
        [FAULT_COUNT_VARIABLE]: String(size),
        [FAULT_SEED_VARIABLE]: String(seed),
      },
      signal,
    );
    const report = readReport(reportPath);
    if (!report) {
      observed.expect(false, `no report: ${output.slice(-OUTPUT_TAIL)}`);
      return observed.seen();
    }
    for (const result of report.testResults) {
      const ran = result.assertionResults.filter(({ status }) => /^(passed|failed)$/.test(status));
      observed.expect(result.status === 'passed' || ran.length > 0, result.message);
      for (const { status, fullName, meta, failureMessages } of ran) {
        observed.count += meta.faults ?? 1;
        observed.figures.push(...(meta.figures ?? []));
        observed.expect(status === 'passed', `${fullName}: ${failureMessages?.[0] ?? status}`);
      }
    }
    return observed.seen();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function readReport(path: string): Report | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Report;
  } catch {
    return undefined; // vitest ended before it had one
  }
}

/** Runs vitest to its end, whatever it says; gives what it printed. */
function runVitest(
  args: readonly string[],
  env: Record<string, string>,
  signal: AbortSignal,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(join(REPOSITORY, 'node_modules', '.bin', 'vitest'), args, {
      cwd: REPOSITORY,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NO_COLOR: '1', ...env },
      signal,
      killSignal: 'SIGTERM',
    });
    let output = '';
    const keep = (part: Buffer): void => {
      output = (output + part.toString()).slice(-4 * OUTPUT_TAIL);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', reject);
    child.on('close', () => resolve(output));
  });
}
