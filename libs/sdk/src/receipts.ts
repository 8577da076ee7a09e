/*
 * Receipts of a stored file: asked of every node that may have it, believed only after they were checked against the chain. Covered
 * means that each of the file's segments is promised by `count` different providers.
 */
import { CodedError, errorMessage, parseDataRoot, systemClock } from '@cairn/base';
import type { CustodyReader } from '@cairn/chain/custody';
import type { Kernels } from '@cairn/kernels';
import { segmentCounts, submissionRoot } from '@cairn/merkle';
import {
  BYTES_PER_SECTOR,
  SECTORS_PER_SEGMENT,
  type SignedReceipt,
  shardHolds,
} from '@cairn/protocol';
import type { NodeDirectory, StorageNode } from './nodes.ts';

export type FileOnChain = { root: string; size: number; txSeq: number };
export type ReceiptOptions = {
  /** Different providers that must promise every segment. */
  count: number;
  signal?: AbortSignal | undefined;
  /** How long to wait for nodes that are still fetching the file, or still locking their stake; default 30 s. */
  timeoutMs?: number | undefined;
};
export type ReceiptDeps = {
  kernels: Kernels;
  directory: NodeDirectory;
  custody: CustodyReader;
};

const TIMEOUT_MS = 30_000;
const POLL_MS = 500;

/** Where the chain has the file. */
type Place = FileOnChain & { startSector: number };

/**
 * Collects receipts until every segment is promised `count` times. Throws `SDK_RECEIPTS_SHORT` when fewer arrive in time (the file is
 * stored all the same), `SDK_NOT_FOUND` when no node or not the chain has the file at `txSeq`.
 */
export async function collectReceipts(
  deps: ReceiptDeps,
  file: FileOnChain,
  options: ReceiptOptions,
): Promise<SignedReceipt[]> {
  const { signal, count } = options;
  const nodes = await deps.directory.writable(signal);
  const place = await findPlace(deps, file, nodes, signal);
  const { chainId } = await deps.custody.parameters();
  const deadline = systemClock.monotonic() + (options.timeoutMs ?? TIMEOUT_MS);
  const accepted = new Map<string, SignedReceipt>();
  const refusals = new Map<string, string>();
  for (;;) {
    const waiting = nodes.filter(({ client }) => !accepted.has(client.url));
    await Promise.all(
      waiting.map(async ({ client }) => {
        try {
          const signed = await client.getReceipt(file.txSeq, { signal, timeoutMs: 10_000 });
          if (!signed) {
            refusals.set(client.url, 'has no receipt to give yet');
            return;
          }
          checkReceipt(signed, place, { chainId, contract: deps.custody.contract });
          await deps.custody.checkReceipt(signed);
          accepted.set(client.url, signed);
          refusals.delete(client.url);
        } catch (error) {
          signal?.throwIfAborted();
          refusals.set(client.url, errorMessage(error));
        }
      }),
    );
    const receipts = [...accepted.values()];
    const covered = coverage(place, receipts);
    if (covered >= count) return receipts;
    if (systemClock.monotonic() >= deadline || waiting.length === 0)
      throw new CodedError({
        code: 'SDK_RECEIPTS_SHORT',
        kind: 'unavailable',
        message: `every part of ${file.root} is promised by ${covered} providers, ${count} were asked for`,
        hint: [...refusals].map(([url, why]) => `${url}: ${why}`)[0] ?? 'ask for fewer receipts',
        details: { wanted: count, covered, refusals: Object.fromEntries(refusals) },
      });
    await systemClock.sleep(POLL_MS, signal);
  }
}

/** Compares every field with what the chain says of the file. Throws `SDK_RECEIPT_WRONG`. */
export function checkReceipt(
  { receipt, chainId, contract }: SignedReceipt,
  place: Place,
  expected: { chainId: number; contract: string },
): void {
  const wanted: Record<string, unknown> = {
    txSeq: place.txSeq,
    startPos: place.startSector,
    sectors: Math.ceil(place.size / BYTES_PER_SECTOR),
    dataRoot: place.root,
    ...expected,
  };
  const actual: Record<string, unknown> = { ...receipt, chainId, contract };
  for (const [field, value] of Object.entries(wanted)) {
    if (actual[field] === value) continue;
    throw new CodedError({
      code: 'SDK_RECEIPT_WRONG',
      kind: 'invalid',
      message: `the receipt's ${field} is ${String(actual[field])}, not ${String(value)}`,
      details: { field },
    });
  }
}

/** Providers that promise the segment promised least. */
export function coverage(place: Place, receipts: readonly SignedReceipt[]): number {
  const first = Math.floor(place.startSector / SECTORS_PER_SEGMENT);
  const { real } = segmentCounts(place.size);
  const modulus = Math.max(1, ...receipts.map(({ receipt }) => receipt.numShard));
  let least = Number.POSITIVE_INFINITY;
  // Segments that are equal modulo the largest count are promised by the same providers.
  for (let i = 0; i < Math.min(real, modulus); i++) {
    const providers = new Set(
      receipts
        .filter(({ receipt }) => shardHolds(receipt, first + i))
        .map(({ receipt }) => receipt.provider),
    );
    least = Math.min(least, providers.size);
  }
  return least;
}

/** The file's place by its `Submit` event. Nodes only tell which subtrees it has, and those must hash to its root. */
async function findPlace(
  { kernels, custody }: ReceiptDeps,
  file: FileOnChain,
  nodes: readonly StorageNode[],
  signal: AbortSignal | undefined,
): Promise<Place> {
  const root = parseDataRoot(file.root);
  for (const { client } of nodes) {
    const info = await client
      .getFileInfoByTxSeq(file.txSeq, { signal, timeoutMs: 10_000 })
      .catch(() => null);
    signal?.throwIfAborted();
    if (info?.tx.dataMerkleRoot !== root) continue;
    const subtrees = info.tx.merkleNodes.map(([depth, hash]) => ({
      root: hash,
      height: depth - 1,
    }));
    if (subtrees.length === 0 || submissionRoot(kernels, subtrees) !== root) continue;
    const found = await custody.submission(
      file.txSeq,
      subtrees.map((subtree) => subtree.root),
    );
    if (found && found.size === file.size) return { ...file, root, startSector: found.startSector };
  }
  throw new CodedError({
    code: 'SDK_NOT_FOUND',
    kind: 'not_found',
    message: `submission ${file.txSeq} is not ${file.root} on the chain or on any node`,
  });
}
