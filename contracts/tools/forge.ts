// Runs forge with the arguments given, in the contracts folder. `test --json` prints {passed, failed} as one line.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const contracts = join(import.meta.dirname, '..');
const args = process.argv.slice(2);
const forge = join(contracts, '..', 'node_modules', '.bin', 'forge');

type SuiteResults = Record<
  string,
  { test_results: Record<string, { status: string; reason?: string | null }> }
>;

if (args[0] === 'test' && args.includes('--json')) {
  const run = spawnSync(forge, args, {
    cwd: contracts,
    encoding: 'utf8',
    maxBuffer: 256 * 1024 * 1024,
  });
  const line = run.stdout.split('\n').find((text) => text.startsWith('{'));
  if (!line) {
    process.stderr.write(run.stdout + run.stderr);
    process.exit(run.status || 1);
  }
  let [passed, failed] = [0, 0];
  for (const [suite, { test_results }] of Object.entries(JSON.parse(line) as SuiteResults)) {
    for (const [name, { status, reason }] of Object.entries(test_results)) {
      if (status === 'Success') passed++;
      else {
        failed++;
        console.error(`FAIL ${suite} ${name}: ${reason ?? ''}`);
      }
    }
  }
  console.log(JSON.stringify({ passed, failed }));
  process.exit(failed > 0 ? 1 : 0);
}
process.exit(spawnSync(forge, args, { cwd: contracts, stdio: 'inherit' }).status ?? 1);
