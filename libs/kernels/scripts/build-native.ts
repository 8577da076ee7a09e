// Compiles the optional native addon with whatever C compiler is there. No compiler, no harm: one line, exit 0.
// With --check: compiles native/check*.c with sanitizers instead, and runs it.
import { spawnSync } from 'node:child_process';
import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { endianness } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
/** Kernel families: native/<family>.c, native/addon-<family>.c and native/check-<family>.c each. */
const FAMILIES = ['keccak', 'mining', 'sha256', 'xor', 'galois'];
/** Further files of a family. */
const PARTS = ['galois_field', 'galois_ops', 'galois_combine'];
const sources = (part: 'addon' | 'check'): string[] =>
  [part, 'cpu', ...FAMILIES, ...PARTS, ...FAMILIES.map((family) => `${part}-${family}`)].map(
    (name) => join(root, 'native', `${name}.c`),
  );
const output = join(root, 'build', 'cairn_kernels.node');
const warnings = ['-std=gnu11', '-Wall', '-Wextra'];
const compilers = [process.env.CC, 'cc', 'gcc', 'clang'].filter((name) => name !== undefined);

/** Runs the first compiler there is; the reason when none did. */
function compile(args: readonly string[]): string | undefined {
  let failure = 'no C compiler found (tried $CC, cc, gcc, clang)';
  for (const compiler of compilers) {
    const run = spawnSync(compiler, args, { encoding: 'utf8' });
    if (run.status === 0) return undefined;
    if (run.error) continue;
    const line = run.stderr.split('\n').find((text) => text.includes('error')) ?? 'see its output';
    failure = `${compiler} failed: ${line}`;
  }
  return failure;
}

function skip(reason: string): never {
  rmSync(output, { force: true });
  console.log(`native kernels skipped: ${reason}; the WASM kernels are used`);
  process.exit(0);
}

mkdirSync(join(root, 'build'), { recursive: true });

if (process.argv.includes('--check')) {
  const program = join(root, 'build', 'check');
  const sanitizers = ['-O1', '-g', '-fsanitize=address,undefined', '-fno-sanitize-recover'];
  const failure = compile([...warnings, ...sanitizers, '-o', program, ...sources('check')]);
  if (failure) throw new Error(failure);
  process.exit(spawnSync(program, { stdio: 'inherit' }).status ?? 1);
}

if (endianness() !== 'LE' || process.platform === 'win32') skip('this platform is not supported');
const headers = createRequire(import.meta.url)('node-api-headers') as { include_dir: string };
const partial = `${output}.${process.pid}`;
const failure = compile([
  ...warnings,
  '-O3',
  '-shared',
  '-fPIC',
  '-fvisibility=hidden',
  ...(process.platform === 'darwin' ? ['-undefined', 'dynamic_lookup'] : []),
  `-I${headers.include_dir}`,
  '-o',
  partial,
  ...sources('addon'),
]);
if (failure) skip(failure);
renameSync(partial, output);
