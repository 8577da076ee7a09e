// Libraries to compare with that may have to be compiled: they live in benchmarks/peers with a lockfile of their own, so that
// nobody who only installs or tests Cairn compiles them. What cannot be installed is absent; a suite says so.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const folder = join(import.meta.dirname, '..', 'peers');
const stamp = join(folder, 'node_modules', '.cairn-peers');
const requirePeer = createRequire(join(folder, 'package.json'));

/** Headers that node-gyp can use without a download: beside this Node, or the system's (Node-API does not change). */
function headersFolder(): string | undefined {
  return [join(dirname(process.execPath), '..'), '/usr', '/usr/local'].find((prefix) =>
    existsSync(join(prefix, 'include', 'node', 'node_api.h')),
  );
}

/** Installs benchmarks/peers when its lockfile changed. One line on stderr when that fails; never throws. */
export function installPeers(): void {
  const lock = createHash('sha256')
    .update(readFileSync(join(folder, 'package-lock.json')))
    .digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  console.error('installing and compiling the peers of the benchmarks …');
  const env = { ...process.env };
  // What the npm that started us set would make the inner one act on the workspace instead.
  for (const name of Object.keys(env)) if (/^npm_/i.test(name)) delete env[name];
  const headers = headersFolder();
  if (headers) env.npm_config_nodedir = headers;
  // Not `ci`: a registry that has only this platform's optional packages leaves the others out of the lockfile, which `ci`
  // refuses. Versions are exact and the lockfile has the hashes either way; --no-save leaves it as it is.
  const args = [
    'install',
    '--no-save',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
    '--prefix',
    '.',
  ];
  const run = spawnSync('npm', args, {
    cwd: folder,
    env,
    encoding: 'utf8',
    shell: process.platform === 'win32',
  });
  if (run.status === 0) writeFileSync(stamp, lock);
  else console.error(`not installed, so absent below: ${lastLine(run.stderr ?? `${run.error}`)}`);
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}

/** A module of benchmarks/peers, or why it is not there. */
export type Peer<Module> = { module: Module } | { module?: undefined; absent: string };

/** Loads one; whoever asks knows the shape of what it exports. */
export function loadPeer<Module>(name: string): Peer<Module> {
  try {
    return { module: requirePeer(name) as Module };
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    return { absent: `${name}: absent (${reason})` };
  }
}
