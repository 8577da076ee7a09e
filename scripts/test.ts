// `npm test`: every suite, then one plain line with the sum. Each static check counts as one test.
// `npm test -- static unit` runs only the groups that are named: static, unit, contracts, e2e.
// The contracts compile for minutes on one core, so they run beside the others, out of their way.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { constants, setPriority, tmpdir } from 'node:os';
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

type Finished = { status: number | null; stdout: string; stderr: string };

/** Runs a command to its end with its output kept. `isAside`: at a priority that leaves the machine to others. */
function run(command: string, args: readonly string[], isAside = false): Promise<Finished> {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NO_COLOR: '1' },
    });
    if (isAside && child.pid) setPriority(child.pid, constants.priority.PRIORITY_LOW);
    const out = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const)
      child[name].setEncoding('utf8').on('data', (text: string) => (out[name] += text));
    child.on('error', (error) => resolve({ status: null, stdout: '', stderr: error.message }));
    child.on('close', (status) => resolve({ status, ...out }));
  });
}

async function check(name: string, command: string, args: string[]): Promise<void> {
  const started = performance.now();
  const ended = await run(bin(command), args);
  if (ended.status !== 0) console.log(`${ended.stdout}${ended.stderr}`);
  record(
    name,
    { passed: ended.status === 0 ? 1 : 0, failed: ended.status === 0 ? 0 : 1, skipped: 0 },
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

async function vitest(project: string): Promise<void> {
  const started = performance.now();
  const report = join(reports, `${project}.json`);
  const ended = await run(bin('vitest'), [
    ...['run', '--project', project, '--reporter=json', `--outputFile=${report}`],
  ]);
  if (!existsSync(report)) {
    console.log(`${ended.stdout}${ended.stderr}`);
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
  if (ended.status !== 0 && failed === 0) {
    failed = 1;
    console.log(`${ended.stdout}${ended.stderr}`);
  }
  record(
    project,
    { passed: result.numPassedTests, failed, skipped: result.numPendingTests },
    started,
  );
}

async function forge(): Promise<void> {
  const started = performance.now();
  const tool = join(root, 'contracts', 'tools', 'forge.ts');
  const ended = await run(process.execPath, [tool, 'test', '--json'], true);
  process.stdout.write(ended.stderr);
  const line = ended.stdout.trim().split('\n').at(-1) ?? '';
  const counts = line.startsWith('{')
    ? (JSON.parse(line) as { passed: number; failed: number })
    : { passed: 0, failed: 1 };
  record('contracts', { ...counts, skipped: 0 }, started);
}

const GROUPS: Record<string, () => Promise<void>> = {
  async static() {
    await check('format and lint', 'biome', ['ci', '--colors=off', '.']);
    await check('promises', 'oxlint', ['--type-aware', '-c', '.oxlintrc.json', '--quiet']);
    await check('types', 'tsc', ['--noEmit', '-p', 'tsconfig.json']);
    await check('layers', 'turbo', ['boundaries']);
    await check('manifests', 'sherif', []);
  },
  contracts: forge,
  unit: () => vitest('unit'),
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
const aside: Promise<void>[] = [];
for (const [name, start] of Object.entries(GROUPS)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  if (name === 'contracts') aside.push(start());
  else await start();
}
await Promise.all(aside);

console.log(
  `${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}`,
);
process.exit(total.failed > 0 || total.passed === 0 ? 1 : 0);
