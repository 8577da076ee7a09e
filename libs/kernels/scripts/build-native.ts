// Compiles the optional native addon with whatever C compiler is there. No compiler, no harm: one line, exit 0.
import { spawnSync } from 'node:child_process';
import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { endianness } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const sources = ['addon.c', 'keccak.c'].map((name) => join(root, 'native', name));
const output = join(root, 'build', 'cairn_kernels.node');
const sanitize = process.argv.includes('--sanitize');

function skip(reason: string): never {
  rmSync(output, { force: true });
  console.log(`native kernels skipped: ${reason}; the WASM kernels are used`);
  process.exit(0);
}

if (endianness() !== 'LE' || process.platform === 'win32') skip('this platform is not supported');

const headers = createRequire(import.meta.url)('node-api-headers') as { include_dir: string };
const flags = [
  '-O3',
  '-std=gnu11',
  '-shared',
  '-fPIC',
  '-fvisibility=hidden',
  '-Wall',
  '-Wextra',
  ...(process.platform === 'darwin' ? ['-undefined', 'dynamic_lookup'] : []),
  ...(sanitize ? ['-g', '-fsanitize=address,undefined', '-fno-omit-frame-pointer'] : []),
];

mkdirSync(join(root, 'build'), { recursive: true });
const partial = `${output}.${process.pid}`;
let failure = 'no C compiler found (tried $CC, cc, gcc, clang)';
for (const compiler of [process.env.CC, 'cc', 'gcc', 'clang']) {
  if (!compiler) continue;
  const run = spawnSync(
    compiler,
    [...flags, `-I${headers.include_dir}`, '-o', partial, ...sources],
    {
      encoding: 'utf8',
    },
  );
  if (run.error) continue;
  if (run.status === 0) {
    renameSync(partial, output);
    process.exit(0);
  }
  failure = `${compiler} failed: ${run.stderr.split('\n').find((line) => line.includes('error')) ?? 'see its output'}`;
}
skip(failure);
