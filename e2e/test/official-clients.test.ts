import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hexToBytes } from '@cairn/base';
import { loadKernels } from '@cairn/kernels';
import { fileTreeOfBytes, proofToSiblings, verifySegmentSiblings } from '@cairn/merkle';
import { patternBytes, REPOSITORY } from '@cairn/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cairn, startDevnet, type TestDevnet } from '../src/devnet.ts';

let devnet: TestDevnet;
beforeAll(async () => {
  devnet = await startDevnet();
});
afterAll(() => devnet?.stop());

type ClientResult = { root: string; lemma: string[]; path: boolean[] };

function runClient(name: string, input: string, output: string): Promise<ClientResult> {
  const { indexerUrl, rpcUrl, accounts } = devnet.file;
  const key = readFileSync(accounts[2]!.privateKeyFile, 'utf8').trim();
  return new Promise((resolve, reject) => {
    const child = spawn(
      process.execPath,
      [
        join(REPOSITORY, 'e2e/src/official-client.mjs'),
        name,
        indexerUrl,
        rpcUrl,
        key,
        input,
        output,
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    let [out, errors] = ['', ''];
    child.stdout.on('data', (part: Buffer) => (out += part.toString()));
    child.stderr.on('data', (part: Buffer) => (errors += part.toString()));
    child.on('close', (code) => {
      const line = out.trim().split('\n').at(-1) ?? '';
      if (code === 0 && line.startsWith('{')) resolve(JSON.parse(line) as ClientResult);
      else
        reject(new Error(`${name} ended with ${code}: ${errors.slice(-2000)} ${out.slice(-500)}`));
    });
  });
}

describe.each(['@0gfoundation/0g-ts-sdk', '@0glabs/0g-ts-sdk'])('%s, unmodified', (name) => {
  it.each([257, 300_000, 5_000_000])(
    'uploads and downloads %d bytes; its proofs and ours agree',
    async (size) => {
      const kernels = await loadKernels();
      const bytes = patternBytes(size, name.length + (size % 7));
      const [input, output] = [
        join(devnet.dir, `${size}.in`),
        join(devnet.dir, `${name.length}-${size}.out`),
      ];
      writeFileSync(input, bytes);
      const result = await runClient(name, input, output);
      expect(Buffer.from(bytes).equals(readFileSync(output))).toBe(true);
      const tree = fileTreeOfBytes(kernels, bytes);
      expect(result.root).toBe(tree.root);
      const input2 = { size, index: 0, root: tree.root, segmentRoot: tree.segmentRoot(0) };
      if (tree.proof(0).path.length > 0) {
        const siblings = proofToSiblings(result as never, input2);
        verifySegmentSiblings(kernels, { ...input2, root: hexToBytes(tree.root), siblings });
      }
      const get = await cairn(devnet, ['get', result.root, '-o', `${output}.ours`, '--json']);
      expect(get.code, get.stderr).toBe(0);
      expect(Buffer.from(bytes).equals(readFileSync(`${output}.ours`))).toBe(true);
    },
  );
});
