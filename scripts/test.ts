// `npm test`: every suite in turn, then one plain line with the sum. Each static check counts as one test.
// `npm test -- static unit` runs only the groups that are named: static, unit, contracts, e2e.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const bin = (name: string): string => join(root, 'node_modules', '.bin', name);
const reports = mkdtempSync(join(tmpdir(), 'cairn-test-'));
type Counts = { passed: number; failed: number; skipped: number };
const total: Counts = { passed: 0, failed: 0, skipped: 0 };

function record(name: string, counts: Counts, started: number): void {
  total.passed += counts.passed;
  total.failed += counts.failed;
  total.skipped += counts.skipped;
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(
    `== ${name}: ${counts.failed === 0 ? 'ok' : 'FAILED'} (${counts.passed} ok, ${counts.failed} not, ${counts.skipped} left out) in ${seconds} s`,
  );
}

function check(name: string, command: string, args: string[]): void {
  const started = performance.now();
  const run = spawnSync(bin(command), args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (run.status !== 0) console.log(`${run.stdout ?? ''}${run.stderr ?? ''}`);
  record(
    name,
    { passed: run.status === 0 ? 1 : 0, failed: run.status === 0 ? 0 : 1, skipped: 0 },
    started,
  );
}

type VitestReport = {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  numFailedTestSuites: number;
  testResults: {
    name: string;
    status: string;
    message: string;
    assertionResults: { status: string; fullName: string; failureMessages: string[] }[];
  }[];
};

function vitest(project: string): void {
  const started = performance.now();
  const report = join(reports, `${project}.json`);
  const run = spawnSync(
    bin('vitest'),
    ['run', '--project', project, '--reporter=json', `--outputFile=${report}`],
    {
      cwd: root,
      encoding: 'utf8',
      maxBuffer: 256 * 1024 * 1024,
      env: { ...process.env, NO_COLOR: '1' },
    },
  );
  if (!existsSync(report)) {
    console.log(`${run.stdout}${run.stderr}`);
    record(project, { passed: 0, failed: 1, skipped: 0 }, started);
    return;
  }
  const result = JSON.parse(readFileSync(report, 'utf8')) as VitestReport;
  let failed = result.numFailedTests;
  for (const file of result.testResults) {
    const broken = file.assertionResults.filter((test) => test.status === 'failed');
    for (const test of broken)
      console.log(`FAIL ${file.name}\n  ${test.fullName}\n  ${test.failureMessages.join('\n  ')}`);
    if (file.status === 'failed' && broken.length === 0) {
      failed++;
      console.log(`FAIL ${file.name}\n  ${file.message}`);
    }
  }
  // An error outside any test (an unhandled rejection) fails the run too.
  if (run.status !== 0 && failed === 0) {
    failed = 1;
    console.log(`${run.stdout}${run.stderr}`);
  }
  record(
    project,
    { passed: result.numPassedTests, failed, skipped: result.numPendingTests },
    started,
  );
}

function forge(): void {
  const started = performance.now();
  const run = spawnSync(
    process.execPath,
    [join(root, 'contracts', 'tools', 'forge.ts'), 'test', '--json'],
    { cwd: root, encoding: 'utf8' },
  );
  process.stdout.write(run.stderr);
  const line = run.stdout.trim().split('\n').at(-1) ?? '';
  const counts = line.startsWith('{')
    ? (JSON.parse(line) as { passed: number; failed: number })
    : { passed: 0, failed: 1 };
  record('contracts', { ...counts, skipped: 0 }, started);
}

const GROUPS: Record<string, () => void> = {
  static() {
    check('format and lint', 'biome', ['ci', '--colors=off', '.']);
    check('promises', 'oxlint', ['--type-aware', '-c', '.oxlintrc.json', '--quiet']);
    check('types', 'tsc', ['--noEmit', '-p', 'tsconfig.json']);
    check('layers', 'turbo', ['boundaries']);
    check('manifests', 'sherif', []);
  },
  unit: () => vitest('unit'),
  contracts: forge,
  e2e: () => vitest('e2e'),
};
const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !GROUPS[name]);
if (unknown.length > 0) {
  console.error(
    `no such group: ${unknown.join(', ')}; there are ${Object.keys(GROUPS).join(', ')}`,
  );
  process.exit(2);
}
for (const [name, run] of Object.entries(GROUPS))
  if (wanted.length === 0 || wanted.includes(name)) run();

console.log(
  `${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}`,
);
process.exit(total.failed > 0 || total.passed === 0 ? 1 : 0);
