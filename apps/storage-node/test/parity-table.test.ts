import { bytesToHex, type DataRoot, type Hex } from '@cairn/base';
import type { Submission } from '@cairn/chain';
import { CODED_FILE_BYTES_MIN, codedFileLayout, encodeParityDescriptor } from '@cairn/erasure';
import { openDatabase } from '@cairn/store';
import { beforeEach, describe, expect, it } from 'vitest';
import { NodeDatabase } from '../src/store/node-database.ts';
import { MIGRATIONS } from '../src/store/schema.ts';
import { kernels } from './harness.ts';

const hash = (byte: number): Hex => `0x${byte.toString(16).padStart(2, '0').repeat(32)}`;
const dataRoot = hash(0xda) as DataRoot;
const tagsOf = (dataBytes: number, code: 32 | 24 = 32): Hex =>
  bytesToHex(encodeParityDescriptor({ dataRoot, dataBytes, code, checkRoot: new Uint8Array(32) }));
const { parityBytes } = codedFileLayout(CODED_FILE_BYTES_MIN, 32);

let database: NodeDatabase;
/** Notes a submission; `transaction` tells which ones were made together. */
function submit(file: { root: Hex; size: number; tags?: Hex; transaction: number }): number {
  const seq = database.submissions.nextSeq;
  const submission = {
    seq,
    size: file.size,
    startSector: 1024 * seq,
    sectors: 1024,
    nodes: [],
    tags: file.tags ?? '0x',
    blockNumber: seq + 1,
    txHash: hash(file.transaction),
  } as unknown as Submission;
  database.submissions.insert(submission, file.root as DataRoot);
  database.parity.addIfParity(submission);
  return seq;
}
beforeEach(() => {
  database = new NodeDatabase(openDatabase(':memory:', MIGRATIONS), kernels);
});

describe('the table of parities', () => {
  it('finds parities by the file, that of its own transaction first, then the oldest, as many as asked', () => {
    const stranger = submit({
      root: hash(1),
      size: parityBytes,
      tags: tagsOf(CODED_FILE_BYTES_MIN),
      transaction: 1,
    });
    submit({ root: dataRoot, size: CODED_FILE_BYTES_MIN, transaction: 2 });
    const own = submit({
      root: hash(2),
      size: parityBytes,
      tags: tagsOf(CODED_FILE_BYTES_MIN),
      transaction: 2,
    });
    const late = submit({
      root: hash(3),
      size: codedFileLayout(CODED_FILE_BYTES_MIN, 24).parityBytes,
      tags: tagsOf(CODED_FILE_BYTES_MIN, 24),
      transaction: 3,
    });
    const found = database.parity.of(dataRoot, 8);
    expect(found.map(({ seq }) => seq)).toEqual([own, stranger, late]);
    expect(database.parity.of(dataRoot, 1).map(({ seq }) => seq)).toEqual([own]);
    expect(database.parity.bySeq(late)?.descriptor.code).toBe(24);
    expect(database.parity.of(hash(9) as DataRoot, 8)).toEqual([]);
  });

  it('leaves out tags that are no descriptor, and sizes that are not the layout’s', () => {
    const tags = tagsOf(CODED_FILE_BYTES_MIN);
    submit({ root: hash(1), size: parityBytes + 1, tags, transaction: 1 });
    submit({ root: hash(1), size: parityBytes, tags: `${tags}00`, transaction: 1 });
    submit({ root: hash(1), size: parityBytes, tags: `0x00${tags.slice(4)}`, transaction: 1 });
    submit({ root: hash(1), size: parityBytes, tags: '0x', transaction: 1 });
    expect(database.parity.of(dataRoot, 8)).toEqual([]);
  });

  it('forgets what a reorg undid', () => {
    const tags = tagsOf(CODED_FILE_BYTES_MIN);
    const first = submit({ root: hash(1), size: parityBytes, tags, transaction: 1 });
    const second = submit({ root: hash(2), size: parityBytes, tags, transaction: 2 });
    database.parity.removeFrom(second);
    database.submissions.removeFrom(second);
    expect(database.parity.of(dataRoot, 8).map(({ seq }) => seq)).toEqual([first]);
  });
});
