// Routes of the REST gateway (spec/storage-rpc.md 8.1): parse, ask the part that knows, answer.
import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { DataRoot, Logger } from '@cairn/base';
import type { DirectoryEntry, DirectoryFile, FileInfo } from '@cairn/protocol';
import { type HttpRequest, type HttpRoute, sendJson } from '@cairn/rpc/node';
import type { StorageClient } from '@cairn/sdk';
import type { NodeManager } from '../nodes/node-manager.ts';
import { type Content, sendContent } from './content.ts';
import { answering, GATEWAY, Refusal, sendEnvelope } from './envelope.ts';
import { entryAt, FolderReader, listing } from './folders.ts';
import {
  type Cid,
  existingInfo,
  manyInfos,
  mergedInfo,
  mergedStatus,
  parseCid,
  parseRoot,
  parseSeq,
} from './infos.ts';
import { uploadSegment } from './upload-segment.ts';

export type GatewayDeps = {
  nodes: NodeManager;
  client: StorageClient;
  log: Logger;
  /** Bytes of files sent to clients. */
  onBytes?: ((bytes: number) => void) | undefined;
};
export type GatewayOptions = {
  /** Largest file that is served out of a directory. */
  folderFileBytesMax: number;
};

/** Parts of one file that the gateway asks for; with the fragments that clients make, terabytes. */
const PARTS_MAX = 1024;

type Handler = (request: HttpRequest, response: ServerResponse) => Promise<void>;

export function gatewayRoutes(deps: GatewayDeps, options: GatewayOptions): HttpRoute[] {
  const { nodes, log } = deps;
  const folders = new FolderReader(deps.client);
  const route = (methods: readonly string[], pattern: RegExp, run: Handler): HttpRoute => ({
    methods,
    pattern,
    handle: (request, response) => answering({ log }, response, () => run(request, response)),
  });
  return [
    route(['GET'], /^\/file\/info\/([^/]+)$/, async (request, response) => {
      const info = await mergedInfo(nodes, parseCid(request.params[0]!));
      if (info) sendEnvelope(response, GATEWAY.success, info);
      else sendEnvelope(response, GATEWAY.notFound);
    }),
    route(['GET'], /^\/files\/info$/, async (request, response) => {
      const infos = await manyInfos(nodes, request.url.searchParams.getAll('cid'));
      sendEnvelope(response, GATEWAY.success, infos);
    }),
    route(['GET'], /^\/node\/status$/, async (_request, response) => {
      sendEnvelope(response, GATEWAY.success, await mergedStatus(nodes));
    }),
    route(['POST'], /^\/file\/segment$/, async (request, response) => {
      await uploadSegment(nodes, await request.body(), request.signal);
      sendEnvelope(response, GATEWAY.success, 'Succeeded to upload segment');
    }),
    route(['GET', 'HEAD'], /^\/file$/, async (request, response) => {
      await serveFile(deps, queriedCid(request.url.searchParams), request, response);
    }),
    route(['GET', 'HEAD'], /^\/file\/([^/]+)$/, async (request, response) => {
      await serveFile(deps, parseCid(request.params[0]!), request, response);
    }),
    route(['GET', 'HEAD'], /^\/file\/([^/]+)\/(.*)$/, async (request, response) => {
      const cid = parseCid(request.params[0]!);
      const file = await existingInfo(nodes, cid);
      await requireReadable(deps, file.tx.dataMerkleRoot);
      const { dataMerkleRoot: root, size } = file.tx;
      const folder = await folders.read({ root, size }, request.signal);
      const entry = entryAt(folder, request.params[1]!);
      if (entry.type !== 'file') {
        sendEnvelope(response, GATEWAY.success, entryJson(entry));
        return;
      }
      const content = await entryContent(deps, entry, options.folderFileBytesMax);
      await sendContent(deps, request, response, { ...content, isImmutable: cid.kind === 'root' });
    }),
    {
      methods: ['GET'],
      pattern: /^\/healthz$/,
      handle: async (_request, response) => sendJson(response, 200, { ok: true }),
    },
  ];
}

function queriedCid(query: URLSearchParams): Cid {
  const [root, seq] = [query.get('root'), query.get('txSeq')];
  if (root) return parseRoot(root);
  if (seq) return parseSeq(seq);
  throw new Refusal(GATEWAY.invalidParameter, "Either 'root' or 'txSeq' must be provided");
}

async function serveFile(
  deps: GatewayDeps,
  cid: Cid,
  request: HttpRequest,
  response: ServerResponse,
): Promise<void> {
  const { tx } = await existingInfo(deps.nodes, cid);
  await requireReadable(deps, tx.dataMerkleRoot);
  await sendContent(deps, request, response, {
    roots: [tx.dataMerkleRoot],
    size: tx.size,
    start: 0,
    tag: `"${tx.dataMerkleRoot}"`,
    name: request.url.searchParams.get('name') || tx.dataMerkleRoot,
    isImmutable: cid.kind === 'root',
  });
}

/** Refuses a file that the nodes do not cover, unless its parity covers for them. */
async function requireReadable({ nodes, client }: GatewayDeps, root: DataRoot): Promise<void> {
  if ((await nodes.locations(root)) !== null) return;
  const { coded } = await client.health(root);
  if (!coded || coded.lostStripes > 0) throw new Refusal(GATEWAY.notFinalized);
}

function entryJson(entry: Exclude<DirectoryEntry, DirectoryFile>): unknown {
  return entry.type === 'directory'
    ? listing(entry)
    : { name: entry.name, type: entry.type, link: entry.link };
}

/** The parts of a directory's file. Sizes come from the log: an encrypted file is longer than its entry says. */
async function entryContent(
  deps: GatewayDeps,
  entry: DirectoryFile,
  max: number,
): Promise<Omit<Content, 'isImmutable'>> {
  if (entry.roots.length > PARTS_MAX || (entry.start !== undefined && entry.size > max))
    throw new Refusal(GATEWAY.tooLarge, { actual: entry.size, max });
  if (entry.start !== undefined) {
    const { roots, size, start, name } = entry; // a member of the bundle that was just read
    return { roots, size, start, tag: `"${roots[0]}-${start}-${size}"`, name };
  }
  const parts: FileInfo[] = [];
  let size = 0;
  for (const root of entry.roots) {
    const info = await existingInfo(deps.nodes, { kind: 'root', root });
    await requireReadable(deps, root);
    size += info.tx.size;
    if (size > max)
      throw new Refusal(GATEWAY.tooLarge, { actual: Math.max(size, entry.size), max });
    parts.push(info);
  }
  const roots = parts.map((part) => part.tx.dataMerkleRoot);
  const [only] = roots;
  const name = roots.length === 1 ? only : createHash('sha256').update(roots.join()).digest('hex');
  return { roots, size, start: 0, tag: `"${name}"`, name: entry.name };
}
