'use strict';
// First thing that runs on a fresh clone, so plain CommonJS that Node 20 understands: make sure that everything is
// installed and built, then hand over to the packaged Node. Quiet unless something fails.
const { spawn, spawnSync } = require('node:child_process');
const { createHash } = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');

const root = path.join(__dirname, '..');
const stampFile = path.join(root, 'node_modules', '.cairn-install');
const ENTRIES = {
  start: 'apps/devnet/src/start.ts',
  test: 'scripts/test.ts',
  bench: 'benchmarks/src/main.ts',
  experiment: 'benchmarks/src/experiment.ts',
  soak: 'e2e/soak/main.ts',
  cairn: 'apps/cli/src/main.ts',
};

function say(text) {
  process.stderr.write(`${text}\n`);
}

/** Environment without what an outer npm run left behind, so that an inner npm decides for itself. */
function cleanEnvironment() {
  const env = {};
  for (const [name, value] of Object.entries(process.env))
    if (!/^npm_/i.test(name)) env[name] = value;
  env.TURBO_TELEMETRY_DISABLED = '1';
  env.DO_NOT_TRACK = '1';
  env.PATH = path.join(root, 'node_modules', '.bin') + path.delimiter + (process.env.PATH || '');
  return env;
}

/** Runs a command with its output kept; prints it only when the command fails. */
function quietly(what, hint, command, args) {
  const started = Date.now();
  say(`${what} …`);
  const run = spawnSync(command, args, {
    cwd: root,
    env: cleanEnvironment(),
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    shell: process.platform === 'win32',
  });
  if (run.status !== 0) {
    say(run.error ? String(run.error) : `${run.stdout}\n${run.stderr}`.trim());
    say(`${what} failed. ${hint}`);
    process.exit(run.status || 1);
  }
  say(`${what} done in ${((Date.now() - started) / 1000).toFixed(1)} s`);
}

function install() {
  const lock = createHash('sha256')
    .update(fs.readFileSync(path.join(root, 'package-lock.json')))
    .digest('hex');
  const stamp = fs.existsSync(stampFile) ? fs.readFileSync(stampFile, 'utf8') : '';
  if (stamp === lock) return;
  // What npm itself installed after the lock was last written is as good.
  const npmRecord = path.join(root, 'node_modules', '.package-lock.json');
  if (
    fs.existsSync(npmRecord) &&
    fs.statSync(npmRecord).mtimeMs >= fs.statSync(path.join(root, 'package-lock.json')).mtimeMs
  ) {
    fs.writeFileSync(stampFile, lock);
    return;
  }
  quietly(
    'installing dependencies',
    'Check that the npm registry can be reached and try again.',
    'npm',
    ['ci', '--no-audit', '--no-fund', '--loglevel=error'],
  );
  fs.writeFileSync(stampFile, lock);
}

function build() {
  // Everything else runs from source; turbo skips what did not change.
  const turbo = path.join(root, 'node_modules', '.bin', 'turbo');
  const run = spawnSync(turbo, ['run', 'build', '--output-logs=errors-only', '--ui=stream'], {
    cwd: root,
    env: cleanEnvironment(),
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    shell: process.platform === 'win32',
  });
  if (run.status === 0) return;
  say(run.error ? String(run.error) : `${run.stdout}\n${run.stderr}`.trim());
  say('building the kernels and contracts failed.');
  process.exit(run.status || 1);
}

const [verb, ...rest] = process.argv.slice(2);
const entry = ENTRIES[verb];
if (!entry) {
  say(`usage: bootstrap.cjs ${Object.keys(ENTRIES).join('|')} [arguments]`);
  process.exit(2);
}
install();
build();
const node = path.join(
  root,
  'node_modules',
  'node',
  'bin',
  process.platform === 'win32' ? 'node.exe' : 'node',
);
const child = spawn(
  fs.existsSync(node) ? node : process.execPath,
  ['--conditions=source', path.join(root, entry), ...rest],
  {
    cwd: process.env.INIT_CWD && verb === 'cairn' ? process.env.INIT_CWD : root,
    stdio: 'inherit',
    env: {
      ...process.env,
      // Every process of a network loads the same modules: compiled once, they start in half the time.
      NODE_COMPILE_CACHE:
        process.env.NODE_COMPILE_CACHE || path.join(root, 'node_modules', '.cache', 'compile'),
      PATH: path.join(root, 'node_modules', '.bin') + path.delimiter + (process.env.PATH || ''),
    },
  },
);
// A terminal sends Ctrl-C to the whole group; what is sent to this process alone is passed on.
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
process.on('SIGINT', () => {});
// npm and npx do not pass signals through the shell they start: when that is gone, so are we.
const parent = process.ppid;
setInterval(() => {
  if (process.ppid !== parent) child.kill('SIGTERM');
}, 500).unref();
child.on('exit', (code, signal) => process.exit(signal ? 130 : (code ?? 1)));
