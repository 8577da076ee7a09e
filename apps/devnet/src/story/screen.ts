import type { DevnetFile } from '@cairn/protocol';
import type { FirstBlob } from './first-blob.ts';
import type { FirstFile } from './first-file.ts';
import type { FirstKey } from './first-key.ts';

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

/** What a newcomer sees when the network is up and the first file is back. */
export function screen(
  dir: string,
  network: DevnetFile,
  {
    file,
    key,
    blob,
    upMs,
  }: { file: FirstFile; key: FirstKey; blob: FirstBlob | undefined; upMs: number },
): string {
  const { da } = network;
  return `
Cairn is running: a decentralized storage network on this machine.

  up in      ${seconds(upMs)}: a chain, its contracts, ${network.storageNodes.length} storage nodes, an indexer, a KV node${da ? `, ${da.nodes.length} DA nodes, a disperser` : ''}
  stored     ${file.path}
             ${file.bytes} bytes in ${seconds(file.putMs)} on ${file.wroteTo.join(' and ')}
  root       ${file.root}
  read back  from ${file.readFrom.join(', ')} in ${seconds(file.getMs)}, every byte verified against the root
  key        ${key.key} = ${key.value} (stream f2bd, txSeq ${key.txSeq}) in ${seconds(key.setMs)}${blob ? told(blob) : ''}

  chain      ${network.rpcUrl} (chain id ${network.chainId}, Flow ${network.contracts.flow})
  indexer    ${network.indexerUrl}
  kv node    ${network.kvUrl ?? ''}   pid ${network.kv?.pid ?? ''}
${network.storageNodes.map((node) => `  node       ${node.url}   shard ${node.shardId}/${node.numShard}   admin ${node.adminUrl}   pid ${node.pid}`).join('\n')}
${da ? `  rollups    OP alt-DA ${da.altDaUrl}   Nitro ${da.nitroUrl}   (docs/rollups.md)\n  disperser  ${da.disperserGrpc}   pid ${da.disperserPid}\n${da.nodes.map(({ url, address, pid }) => `  da node    ${url}   operator ${address}   pid ${pid}\n`).join('')}` : ''}  data       ${dir} (logs in logs/, keys in keys/)

Type in a second terminal:

  npx cairn put README.md          store a file; the lines below read it back, ask who holds it, and check everything
  npx cairn get ${file.root} -o copy.tar
  npx cairn stat ${file.root}
  npx cairn kv set hello you; npx cairn kv get hello
${blob ? commands(blob) : ''}  npx cairn mine status            what each node's miner does and has earned
  npx cairn doctor
  curl -O ${network.indexerUrl}/file/${file.root}

Any client of 0G works against it: indexer ${network.indexerUrl}, chain ${network.rpcUrl}.
Ctrl-C stops everything; the data stays for the next start (npm start -- --fresh resets).
`;
}

function told({ path, blobKey, bytes, putMs, getMs, members }: FirstBlob): string {
  return `
  blob       ${path}, ${bytes} bytes, certified in ${seconds(putMs)}
  blob key   ${blobKey}
  read back  from ${members} DA nodes in ${seconds(getMs)} while the disperser was stopped, every row verified`;
}

function commands({ blobKey }: FirstBlob): string {
  return `  npx cairn da put README.md       disperse a blob; the lines below read, sample and check one on chain
  npx cairn da get ${blobKey} -o copy.json
  npx cairn da status ${blobKey}
  npx cairn da sample ${blobKey}
  npx cairn da verify ${blobKey}
`;
}
