import { statSync } from 'node:fs';
import { CodedError } from '@cairn/base';
import { type FileHealth, hashSource } from '@cairn/sdk';
import { fileSource } from '@cairn/sdk/node';
import { formatEther } from 'viem';
import { usage } from '../args.ts';
import { openSession } from '../context.ts';
import { formatBytes, Progress, printResult } from '../output.ts';
import type { Verb } from '../verb.ts';

export const stat: Verb = {
  name: 'stat',
  summary: 'show what the network knows of a file',
  usage: 'cairn stat ROOT',
  flags: {},
  async run({ positionals, global }, { signal }) {
    const [root] = positionals;
    if (positionals.length !== 1 || !root) throw usage('stat takes one root', this.usage);
    await using session = await openSession(global);
    const found = await session.client.stat(root, signal);
    if (!found.info)
      throw new CodedError({
        code: 'SDK_NOT_FOUND',
        kind: 'not_found',
        message: `no node knows ${root}`,
      });
    const { tx } = found.info;
    const health = await session.client.health(root, signal);
    printResult(global.json, { ...found, health }, [
      `root      ${found.root}`,
      `size      ${formatBytes(tx.size)} (${tx.size} bytes)`,
      `txSeq     ${tx.seq}, sectors from ${tx.startEntryIndex}`,
      ...healthLines(health),
      ...found.nodes.map((node) => {
        const share = health.nodes.find(({ url }) => url === node.url);
        const held = share ? `, holds ${share.held} of ${share.required} segments` : ', silent';
        return `node      ${node.url} shard ${node.shardId}/${node.numShard} ${node.finalized ? 'finalized' : `${node.uploadedSegments} segments`}${held}`;
      }),
    ]);
    return 0;
  },
};

function healthLines({ segments, lostSegments, copiesMin, coded }: FileHealth): string[] {
  const copies = `copies    ${copiesMin} of each segment at least; ${lostSegments} of ${segments} segments without any`;
  if (!coded) return [copies];
  const { code, stripes, fragmentsMin, lostStripes, parityRoot, parityTxSeq } = coded;
  const worst =
    lostStripes > 0 ? `${lostStripes} cannot be restored` : `${fragmentsMin - 16} more may go`;
  return [
    copies,
    `parity    ${parityRoot} (txSeq ${parityTxSeq})`,
    `fragments ${fragmentsMin} of ${code} in the weakest of ${stripes} stripes, 16 needed: ${worst}`,
  ];
}

export const cost: Verb = {
  name: 'cost',
  summary: 'say what storing a file costs',
  usage: 'cairn cost FILE|BYTES',
  flags: {},
  async run({ positionals, global }) {
    const [target] = positionals;
    if (positionals.length !== 1 || !target)
      throw usage('cost takes a file or a number of bytes', this.usage);
    const size = /^\d+$/.test(target) ? Number(target) : fileSize(target);
    if (!Number.isSafeInteger(size) || size < 1) throw usage('the size must be at least 1 byte');
    await using session = await openSession(global);
    const result = await session.client.cost(size);
    printResult(global.json, result, [
      `size      ${formatBytes(result.bytes)}`,
      `sectors   ${result.sectors} (${result.segments} segments)`,
      `fee       ${formatEther(result.feeWei)} (${result.feeWei} wei) and gas`,
    ]);
    return 0;
  },
};

function fileSize(path: string): number {
  try {
    return statSync(path).size;
  } catch (error) {
    throw new CodedError({
      code: 'SDK_READ',
      kind: 'invalid',
      message: `cannot read ${path}`,
      cause: error,
    });
  }
}

export const verify: Verb = {
  name: 'verify',
  summary: 'check a stored file, or a local one, against a root',
  usage: 'cairn verify ROOT [FILE]',
  flags: {},
  async run({ positionals, global }, { signal }) {
    const [root, path] = positionals;
    if (!root || positionals.length > 2)
      throw usage('verify takes a root and perhaps a file', this.usage);
    await using session = await openSession(global);
    if (path !== undefined) {
      await using source = await fileSource(path, session.pool);
      const tree = await hashSource(session.client.kernels, source, { signal });
      if (tree.root !== root.toLowerCase()) {
        throw new CodedError({
          code: 'SDK_VERIFICATION',
          kind: 'corrupt',
          message: `${path} has root ${tree.root}, not ${root}`,
        });
      }
      printResult(global.json, { root: tree.root, verified: true, bytes: source.size }, [
        `${path} has this root`,
      ]);
      return 0;
    }
    const progress = new Progress('verify', global.json);
    const result = await session.client.download(
      root,
      { write: async () => {} },
      {
        signal,
        onProgress: ({ bytes, totalBytes }) => progress.update('receive', bytes, totalBytes),
      },
    );
    progress.end();
    printResult(global.json, { ...result, verified: true }, [
      `all ${formatBytes(result.size)} are there and verified, from ${result.nodes.join(' ')}`,
    ]);
    return 0;
  },
};
