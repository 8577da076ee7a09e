import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CodedError } from '@cairn/base';
import type { DevnetFile } from '@cairn/protocol';
import { z } from 'zod';
import { cairn } from './cairn.ts';
import { packTar } from './tar.ts';

const REPOSITORY = fileURLToPath(new URL('../../../../', import.meta.url));

const putResult = z.object({
  root: z.string(),
  txSeq: z.number(),
  bytes: z.number(),
  nodes: z.array(z.string()),
  ms: z.number(),
});
const getResult = z.object({ verified: z.boolean(), nodes: z.array(z.string()), ms: z.number() });

export type FirstFile = {
  path: string;
  root: string;
  txSeq: number;
  bytes: number;
  putMs: number;
  getMs: number;
  wroteTo: string[];
  readFrom: string[];
  verified: boolean;
};

/** A tar of this repository's own sources. */
function sourcesTar(): Uint8Array {
  const listed = spawnSync('git', ['ls-files', '-z'], {
    cwd: REPOSITORY,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  const names =
    listed.status === 0
      ? listed.stdout.split('\0').filter((name) => name !== '')
      : ['README.md', 'package.json', 'package-lock.json'];
  const files = names.flatMap((name) => {
    try {
      return [{ name, content: new Uint8Array(readFileSync(join(REPOSITORY, name))) }];
    } catch {
      return []; // listed and not there: removed from the work tree
    }
  });
  return packTar(files);
}

/** Stores a real file on two nodes and reads it back from one that did not come first, with the real commands. */
export async function storeFirstFile(dir: string, network: DevnetFile): Promise<FirstFile> {
  const devnetFile = join(dir, 'devnet.json');
  const path = join(dir, 'first-file.tar');
  const copy = join(dir, 'first-file.copy.tar');
  const bytes = sourcesTar();
  writeFileSync(path, bytes);
  const put = putResult.parse(await cairn(['put', path], devnetFile));
  const other =
    network.storageNodes.find((node) => node.numShard === 1 && node.url !== put.nodes[0]) ??
    network.storageNodes[0]!;
  const got = getResult.parse(
    await cairn(['get', put.root, '-o', copy, '--overwrite', '--node', other.url], devnetFile),
  );
  const isEqual = Buffer.from(bytes).equals(readFileSync(copy));
  if (!isEqual || !got.verified)
    throw new CodedError({
      code: 'DEVNET_FIRST_FILE',
      kind: 'corrupt',
      message: 'the file that came back is not the file that went in',
    });
  return {
    path,
    root: put.root,
    txSeq: put.txSeq,
    bytes: put.bytes,
    putMs: put.ms,
    getMs: got.ms,
    wroteTo: put.nodes,
    readFrom: got.nodes,
    verified: true,
  };
}
