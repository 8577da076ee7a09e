/*
 * Which node holds which segment of a file, and of its parity: asked of every node, bit by bit where it can tell
 * (`cairn_getHeldSegments`), else by whether it calls the file finalized.
 */
import { CodedError, type DataRoot, forEachLimit } from '@cairn/base';
import { type CodedFileKind, type CodedFileLayout, fragmentPlace } from '@cairn/erasure';
import { segmentCounts } from '@cairn/merkle';
import { SECTORS_PER_SEGMENT, shardHolds } from '@cairn/protocol';
import type { StorageNode } from '../nodes.ts';
import type { FilePlace } from '../stored-file.ts';
import { findParities } from './find-parity.ts';
import { findHolders, type OpenDeps, placeOf } from './open.ts';

const ASK_MS = 20_000;
const NODES_AT_ONCE = 16;

/** One file on the nodes that answer. */
export class FilePresence {
  readonly place: FilePlace;
  readonly segments: number;
  readonly nodes: readonly StorageNode[];
  readonly #held: ReadonlyMap<StorageNode, Uint8Array>;

  constructor(place: FilePlace, held: ReadonlyMap<StorageNode, Uint8Array>) {
    this.place = place;
    this.segments = segmentCounts(place.size).real;
    this.nodes = [...held.keys()];
    this.#held = held;
  }

  holds(node: StorageNode, index: number): boolean {
    const bits = this.#held.get(node);
    return bits !== undefined && (bits[index >> 3]! & (1 << (index & 7))) !== 0;
  }

  /** Nodes that have the segment. */
  copies(index: number): number {
    let count = 0;
    for (const node of this.nodes) if (this.holds(node, index)) count++;
    return count;
  }

  /** Nodes whose shard the segment belongs to and that do not have it. */
  lacking(index: number): StorageNode[] {
    return this.nodes.filter((node) => this.isIn(node, index) && !this.holds(node, index));
  }

  /** Whether the segment belongs to the node's shard. */
  isIn(node: StorageNode, index: number): boolean {
    const first = Math.floor(this.place.startSector / SECTORS_PER_SEGMENT);
    return shardHolds(node.shard, first + index);
  }
}

/** Asks all nodes about one file. */
export async function askPresence(
  deps: OpenDeps,
  place: FilePlace,
  signal?: AbortSignal,
): Promise<FilePresence> {
  const { real } = segmentCounts(place.size);
  const held = new Map<StorageNode, Uint8Array>();
  const ask = async (node: StorageNode): Promise<Uint8Array | undefined> => {
    const options = { signal, timeoutMs: ASK_MS };
    const answer = await node.client.getHeldSegments(place.txSeq, options);
    if (answer) return answer.segments === real ? answer.held : new Uint8Array(answer.held.length);
    const info = await node.client.getFileInfoByTxSeq(place.txSeq, options);
    if (!info) return new Uint8Array(Math.ceil(real / 8));
    const bits = new Uint8Array(Math.ceil(real / 8));
    const first = Math.floor(place.startSector / SECTORS_PER_SEGMENT);
    for (let i = 0; info.finalized && i < real; i++)
      if (shardHolds(node.shard, first + i)) bits[i >> 3]! |= 1 << (i & 7);
    return bits;
  };
  const all = await deps.directory.writable(signal);
  await forEachLimit(all, { limit: NODES_AT_ONCE, ...(signal ? { signal } : {}) }, async (node) => {
    try {
      const bits = await ask(node);
      if (bits?.length === Math.ceil(real / 8)) held.set(node, bits);
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof CodedError)) throw error; // who does not answer holds nothing for now
    }
  });
  return new FilePresence(place, held);
}

/** A file, and its parity where nodes name one. */
export type CodedPresence = {
  data: FilePresence;
  parity?: FilePresence;
  layout?: CodedFileLayout;
};

/** Presence of a file and of the first parity that nodes name. Throws `SDK_NOT_FOUND` when no node knows the file. */
export async function askCodedPresence(
  deps: OpenDeps,
  root: DataRoot,
  signal?: AbortSignal,
): Promise<CodedPresence> {
  const { info } = await findHolders(deps.directory, root, signal);
  if (!info)
    throw new CodedError({
      code: 'SDK_NOT_FOUND',
      kind: 'not_found',
      message: `no node knows ${root}`,
      details: { root },
    });
  const place = placeOf(deps.kernels, root, info);
  const data = await askPresence(deps, place, signal);
  const [parity] = await findParities(deps.directory, place, signal);
  if (!parity) return { data };
  const { layout, ...parityPlace } = parity;
  return { data, layout, parity: await askPresence(deps, parityPlace, signal) };
}

export type FileHealth = {
  root: DataRoot;
  txSeq: number;
  size: number;
  segments: number;
  /** Segments that no node holds, and the fewest copies that a segment has. */
  lostSegments: number;
  copiesMin: number;
  /** Absent for a file without parity. */
  coded?: {
    /** Fragments of a stripe; any 16 restore it. */
    code: 32 | 24;
    parityRoot: DataRoot;
    parityTxSeq: number;
    parityLostSegments: number;
    stripes: number;
    /** Fragments left in the weakest stripe; the zeros past the end of the file count. */
    fragmentsMin: number;
    /** Stripes of which fewer than 16 are left. */
    lostStripes: number;
  };
  /** Share of each node that answers: segments of both files that belong to its shard, and those of them that it has. */
  nodes: { url: string; shardId: number; numShard: number; required: number; held: number }[];
};

/** Fragments of a stripe that some node has, and zeros. */
export function fragmentsLeft(
  layout: CodedFileLayout,
  files: Record<CodedFileKind, FilePresence>,
  stripe: number,
): number {
  let left = 0;
  for (let position = 0; position < layout.code; position++) {
    const place = fragmentPlace(layout, { stripe, position });
    if (place.kind === 'zero' || files[place.kind].copies(place.segmentIndex) > 0) left++;
  }
  return left;
}

/** How well a file is kept, in numbers. */
export function healthOf({ data, parity, layout }: CodedPresence): FileHealth {
  const lostOf = (file: FilePresence): number => {
    let lost = 0;
    for (let i = 0; i < file.segments; i++) if (file.copies(i) === 0) lost++;
    return lost;
  };
  let copiesMin = Number.POSITIVE_INFINITY;
  for (let i = 0; i < data.segments; i++) copiesMin = Math.min(copiesMin, data.copies(i));
  const { root, txSeq, size } = data.place;
  const health: FileHealth = {
    root,
    txSeq,
    size,
    segments: data.segments,
    lostSegments: lostOf(data),
    copiesMin,
    nodes: data.nodes.map((node) => {
      const counts = { required: 0, held: 0 };
      for (const file of [data, parity]) {
        const same = file?.nodes.find(({ client }) => client.url === node.client.url);
        for (let i = 0; file && same && i < file.segments; i++) {
          if (!file.isIn(same, i)) continue;
          counts.required++;
          if (file.holds(same, i)) counts.held++;
        }
      }
      return { url: node.client.url, ...node.shard, ...counts };
    }),
  };
  if (!parity || !layout) return health;
  const { code, stripes } = layout;
  const left = Array.from({ length: stripes }, (_, stripe) =>
    fragmentsLeft(layout, { data, parity }, stripe),
  );
  return {
    ...health,
    coded: {
      code,
      parityRoot: parity.place.root,
      parityTxSeq: parity.place.txSeq,
      parityLostSegments: lostOf(parity),
      stripes,
      fragmentsMin: left.reduce((min, count) => Math.min(min, count), code),
      lostStripes: left.filter((count) => count < 16).length,
    },
  };
}
