import { bytesToHash32, CodedError, type Hash32 } from '@cairn/base';
import type { Kernels } from '@cairn/kernels';
import {
  type FlowTree,
  sectorCount,
  segmentCounts,
  segmentLeafCount,
  segmentRoot,
  segmentSiblingsFromFlow,
  siblingsToProof,
} from '@cairn/merkle';
import {
  BYTES_PER_SECTOR,
  type FileInfo,
  type FlowProof,
  RPC_TEXT,
  SECTORS_PER_SEGMENT,
  SEGMENT_HEIGHT,
  type SegmentFrame,
  type SegmentWithProof,
} from '@cairn/protocol';
import { invalidParams, serverError } from '@cairn/rpc';
import type { SegmentStore } from '@cairn/store';
import { type Files, placeSegment } from '../ingest/files.ts';
import type { MemoryPool } from '../ingest/memory-pool.ts';
import type { NodeDatabase } from '../store/node-database.ts';
import { STATE, type StoredSubmission } from '../store/submission-table.ts';

export type ReaderDeps = {
  database: NodeDatabase;
  segments: SegmentStore;
  files: Files;
  pool: MemoryPool;
  kernels: Kernels;
  /** A stored segment of the file failed its checksum. */
  onDamaged?: ((file: StoredSubmission, index: number) => void) | undefined;
};

/** What can be wrong with a range of sectors whatever the file is; the spec's texts. */
export function checkSectorRange(start: number, end: number): void {
  if (start >= end) throw invalidParams('end_index', 'invalid chunk index');
  if (end - start > SECTORS_PER_SEGMENT)
    throw invalidParams('end_index', `exceeds maximum chunks ${SECTORS_PER_SEGMENT}`);
}

/** Answers questions about files and sectors from what is stored. */
export class Reader {
  readonly #deps: ReaderDeps;

  constructor(deps: ReaderDeps) {
    this.#deps = deps;
  }

  file(rootOrSeq: Hash32 | number, needAvailable: boolean): StoredSubmission | undefined {
    const { submissions } = this.#deps.database;
    return typeof rootOrSeq === 'number'
      ? submissions.bySeq(rootOrSeq)
      : submissions.byRoot(rootOrSeq, needAvailable);
  }

  info(file: StoredSubmission): FileInfo {
    const { real } = segmentCounts(file.size);
    const isReceiving = file.state === STATE.receiving;
    return {
      tx: {
        streamIds: [],
        data: [],
        dataMerkleRoot: file.root,
        merkleNodes: file.nodes.map((node) => [node.height + 1, node.root]),
        startEntryIndex: file.startSector,
        size: file.size,
        seq: file.seq,
      },
      finalized: file.state === STATE.finalized,
      isCached: isReceiving && this.#deps.pool.has(file.root, file.size),
      uploadedSegNum: isReceiving ? this.#storedCount(file) : real,
      pruned: file.state === STATE.pruned,
    };
  }

  #storedCount(file: StoredSubmission): number {
    const missing = this.#deps.files.missing(file);
    let stored = 0;
    for (const index of this.#deps.files.required(file)) if (!missing.has(index)) stored++;
    return stored;
  }

  /** Bytes of sectors [start, end) of a file, or undefined when we do not hold them. Checks the range with the spec's texts. */
  async sectors(
    file: StoredSubmission,
    start: number,
    end: number,
  ): Promise<Uint8Array | undefined> {
    checkSectorRange(start, end);
    if (end > sectorCount(file.size)) throw serverError(`end entry index exceeds tx size: ${end}`);
    if (file.state === STATE.pruned) return undefined;
    const out = new Uint8Array((end - start) * BYTES_PER_SECTOR);
    const origin = file.startSector % SECTORS_PER_SEGMENT;
    const first = Math.floor(file.startSector / SECTORS_PER_SEGMENT);
    for (let at = start; at < end; ) {
      const inFlow = origin + at;
      const from = inFlow % SECTORS_PER_SEGMENT;
      const to = Math.min(SECTORS_PER_SEGMENT, from + end - at);
      const index = Math.floor(inFlow / SECTORS_PER_SEGMENT);
      const part = await this.#read(first + index, from, to, { file, index });
      if (!part) return undefined;
      out.set(part, (at - start) * BYTES_PER_SECTOR);
      at += to - from;
    }
    return out;
  }

  /** One segment with the siblings of its proof, or undefined when we do not hold it. */
  async segment(file: StoredSubmission, index: number): Promise<SegmentFrame | undefined> {
    if (index >= segmentCounts(file.size).real)
      throw invalidParams('index', RPC_TEXT.indexOutOfBound);
    if (file.state === STATE.pruned) return undefined;
    const { segmentIndex, startSector, endSector } = placeSegment(file, index);
    const data = await this.#read(segmentIndex, startSector, endSector, { file, index });
    const siblings = data && this.#siblings(file, index);
    return siblings && { index, siblings, data };
  }

  /** The same in the form of JSON-RPC. */
  async segmentWithProof(file: StoredSubmission, index: number): Promise<SegmentWithProof | null> {
    const frame = await this.segment(file, index);
    if (!frame) return null;
    const leaf = segmentRoot(this.#deps.kernels, frame.data, segmentLeafCount(file.size, index));
    return {
      root: file.root,
      data: Buffer.from(frame.data.buffer, frame.data.byteOffset, frame.data.length).toString(
        'base64',
      ),
      index,
      proof: siblingsToProof({
        size: file.size,
        index,
        segmentRoot: leaf,
        siblings: frame.siblings,
        root: file.root,
      }),
      fileSize: file.size,
    };
  }

  /** Proof of a sector under the present or any past flow root. Throws when the root or the data is unknown. */
  async sectorProof(sector: number, flowRoot: Hash32 | null): Promise<FlowProof> {
    const { database, kernels } = this.#deps;
    const length = flowRoot === null ? database.flow.length : database.lengthOfRoot(flowRoot);
    if (length === undefined) throw serverError(`unknown flow root ${flowRoot}`);
    if (sector >= length) throw serverError(`sector index ${sector} exceeds flow length ${length}`);
    const segmentIndex = Math.floor(sector / SECTORS_PER_SEGMENT);
    const leaves = new Map<number, Uint8Array>();
    for (const [start, end] of this.#runs(segmentIndex)) {
      const data = await this.#read(segmentIndex, start, end);
      if (!data) continue;
      const hashes = kernels.keccak256Many(data, BYTES_PER_SECTOR);
      const first = segmentIndex * SECTORS_PER_SEGMENT + start;
      for (let k = 0; k < end - start; k++)
        leaves.set(first + k, hashes.subarray(32 * k, 32 * k + 32));
    }
    const proof = database.flow.prove(sector, { length, leaf: (index) => leaves.get(index) });
    if (!proof) throw serverError(`sector ${sector} is not stored here`);
    return proof;
  }

  get flow(): FlowTree {
    return this.#deps.database.flow;
  }

  /** Root and length of the flow. */
  flowContext(): [Hash32, number] {
    const { flow } = this.#deps.database;
    return [flow.root(), flow.length];
  }

  /** Root of segment `index` of the flow, once it is complete and known. */
  segmentHash(index: number): Hash32 | undefined {
    const node = this.#deps.database.nodes.get(SEGMENT_HEIGHT, index);
    return node && bytesToHash32(node);
  }

  /** Stored sectors of segment `index` of the flow. */
  storedSectors(index: number): number {
    return this.#deps.segments.presentSectors(index);
  }

  /** The stored bytes of segment `index` of the flow, one array for each run of neighbouring sectors. */
  async storedRuns(index: number): Promise<Uint8Array[]> {
    const runs: Uint8Array[] = [];
    for (const [start, end] of this.#runs(index)) {
      const data = await this.#read(index, start, end);
      if (data) runs.push(data);
    }
    return runs;
  }

  /** Stored [start, end) of a segment, ascending. */
  *#runs(segmentIndex: number): Generator<[number, number]> {
    const { segments } = this.#deps;
    for (let start = 0; start < SECTORS_PER_SEGMENT; start++) {
      if (!segments.has(segmentIndex, start, start + 1)) continue;
      let end = start + 1;
      while (end < SECTORS_PER_SEGMENT && segments.has(segmentIndex, end, end + 1)) end++;
      yield [start, end];
      start = end;
    }
  }

  #siblings(file: StoredSubmission, index: number): Uint8Array | undefined {
    const { database, kernels } = this.#deps;
    return segmentSiblingsFromFlow(
      kernels,
      { size: file.size, startSector: file.startSector, index },
      (level, node) => database.flow.node(level, node),
    );
  }

  /** A damaged segment counts as absent: it is quarantined and will be fetched again. */
  async #read(
    segmentIndex: number,
    start: number,
    end: number,
    owner?: { file: StoredSubmission; index: number },
  ): Promise<Uint8Array | undefined> {
    try {
      return await this.#deps.segments.read(segmentIndex, start, end);
    } catch (error) {
      if (!(error instanceof CodedError && error.kind === 'corrupt')) throw error;
      if (owner) this.#deps.onDamaged?.(owner.file, owner.index);
      return undefined;
    }
  }
}
