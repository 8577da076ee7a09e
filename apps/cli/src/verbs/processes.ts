// Verbs that hand over to another program of this repository. Apps never import each other, so they are started.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { EXIT_CODES } from '@cairn/protocol';
import type { Verb } from '../verb.ts';

function handOver(entry: string): Verb['run'] {
  return (_args, { raw, signal }) =>
    new Promise((resolve, reject) => {
      const path = fileURLToPath(new URL(`../../../../${entry}`, import.meta.url));
      const child = spawn(process.execPath, ['--conditions=source', path, ...raw], {
        stdio: 'inherit',
      });
      signal.addEventListener('abort', () => child.kill('SIGINT'));
      child.on('error', reject);
      child.on('exit', (code, died) => resolve(died ? EXIT_CODES.interrupted : (code ?? 1)));
    });
}

export const devnet: Verb = {
  name: 'devnet',
  summary: 'run a whole network on this machine',
  usage: 'cairn devnet [--fresh] [--dir DIR] [--nodes N] [--shards S] [--restart] [--stop]',
  flags: {},
  isRaw: true,
  run: handOver('apps/devnet/src/main.ts'),
};

export const bench: Verb = {
  name: 'bench',
  summary: 'measure this machine and compare with peers',
  usage: 'cairn bench [NAMES] [--json FILE]',
  flags: {},
  isRaw: true,
  run: handOver('benchmarks/src/main.ts'),
};
