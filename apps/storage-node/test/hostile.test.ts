// What a storage node refuses, over real HTTP: every error of spec/storage-rpc.md 4.5 with code, message and data as clients
// match them, and after each of them nothing more is stored than before.
import { join } from 'node:path';
import { concatBytes, type DataRoot } from '@cairn/base';
import {
  encodeFrameParts,
  type SegmentFrame,
  type SegmentWithProof,
  segmentsPath,
} from '@cairn/protocol';
import { openDatabase } from '@cairn/store';
import { patternBytes } from '@cairn/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MIGRATIONS } from '../src/store/schema.ts';
import { STATE } from '../src/store/submission-table.ts';
import {
  finalized,
  frameOf,
  framesOf,
  jsonSegment,
  makeFile,
  rpcError,
  rpcResult,
  seen,
  startTestNetwork,
  stored,
  type TestFile,
  type TestNetwork,
  type TestNode,
} from './harness.ts';

const SEGMENT = 262_144;
const encodeFrames = (frames: readonly SegmentFrame[]): Uint8Array =>
  concatBytes(...encodeFrameParts(frames));
type Known = TestFile & { seq: number };
let network: TestNetwork;
let node: TestNode;
let open: Known;
let done: Known;
let pruned: Known;
/** 17 real segments, 18 padded. */
let padded: Known;
const unknown = makeFile(patternBytes(1000, 70));

beforeAll(async () => {
  network = await startTestNetwork();
  node = await network.node();
  const submit = async (size: number, seed: number): Promise<Known> => {
    const file = makeFile(patternBytes(size, seed));
    const seq = await network.submit(file);
    await seen(node.client, seq);
    return { ...file, seq };
  };
  const upload = async (file: Known): Promise<void> => {
    const at = { fileSize: file.bytes.length, txSeq: file.seq };
    await node.client.uploadFrames(file.tree.root, at, framesOf(file));
    await finalized(node.client, file.seq);
  };
  open = await submit(2 * SEGMENT + 1000, 71);
  done = await submit(SEGMENT + 1, 72);
  pruned = await submit(5000, 73);
  padded = await submit(16 * SEGMENT + 1, 74);
  await upload(done);
  await upload(pruned);
  // Nothing prunes yet, so the state is set where it would be.
  await node.stop();
  const db = openDatabase(join(node.dir, 'node.db'), MIGRATIONS);
  db.prepare('UPDATE submission SET state = ? WHERE seq = ?').run(STATE.pruned, pruned.seq);
  db.close();
  node = await network.node({ dir: node.dir });
});
afterAll(() => network[Symbol.asyncDispose]());

const flip = (hex: string): string => `${hex.slice(0, -1)}${hex.endsWith('0') ? '1' : '0'}`;
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

type Row = {
  name: string;
  segment: () => SegmentWithProof;
  /** Sequence to name in the calls that name one; undefined leaves those calls out. */
  seq: () => number | undefined;
  error: { code: number; message: string | RegExp; data?: string };
};
const changed = (
  file: () => Known,
  index: number,
  change: Partial<SegmentWithProof>,
): Row['segment'] => {
  return () => ({ ...jsonSegment(file(), index), ...change });
};
const openSeq = (): number => open.seq;
const invalid = (param: string, data: string): Row['error'] => ({
  code: -32602,
  message: `Invalid params: ${param}`,
  data,
});

const ROWS: Row[] = [
  {
    name: 'a finalized file',
    segment: () => jsonSegment(done, 0),
    seq: () => done.seq,
    error: invalid('root', 'already uploaded and finalized'),
  },
  {
    name: 'a pruned file',
    segment: () => jsonSegment(pruned, 0),
    seq: () => pruned.seq,
    error: invalid('root', 'already pruned'),
  },
  {
    name: 'another size than the log says',
    segment: changed(() => open, 0, { fileSize: 2 * SEGMENT + 999 }),
    seq: openSeq,
    error: invalid('file_size', 'segment file size not matched with tx file size'),
  },
  {
    name: 'an unknown file above 10 MiB',
    segment: () => ({
      ...jsonSegment({ ...unknown, seq: 0 } as Known, 0),
      fileSize: 10 * 1024 * 1024 + 1,
    }),
    seq: () => 1_000_000,
    error: invalid('file_size', 'caching of large file when tx is unavailable is not supported'),
  },
  {
    name: 'an empty file',
    segment: () => ({ ...jsonSegment({ ...unknown, seq: 0 } as Known, 0), fileSize: 0 }),
    seq: () => undefined,
    error: invalid('file_size', 'file is empty'),
  },
  {
    name: 'an index behind the last segment',
    segment: changed(() => open, 0, { index: 3 }),
    seq: openSeq,
    error: invalid('index', 'index out of bound'),
  },
  {
    name: 'an index far outside',
    segment: changed(() => open, 0, { index: Number.MAX_SAFE_INTEGER }),
    seq: openSeq,
    error: invalid('index', 'index out of bound'),
  },
  {
    name: 'a sector too few',
    segment: changed(() => open, 0, { data: base64(patternBytes(SEGMENT - 256)) }),
    seq: openSeq,
    error: invalid('data', 'invalid data length'),
  },
  {
    name: 'a sector too many',
    segment: changed(() => open, 2, { data: base64(patternBytes(1280)) }),
    seq: openSeq,
    error: invalid('data', 'invalid data length'),
  },
  {
    name: 'a proof without its end',
    segment: () => {
      const segment = jsonSegment(open, 0);
      const { lemma, path } = segment.proof;
      return { ...segment, proof: { lemma: lemma.slice(0, -1), path } };
    },
    seq: openSeq,
    error: invalid('proof', 'invalid proof'),
  },
  {
    name: 'an empty proof',
    segment: changed(() => open, 0, { proof: { lemma: [], path: [] } }),
    seq: openSeq,
    error: invalid('proof', 'invalid proof'),
  },
  {
    name: 'a proof that does not fold to the root',
    segment: () => {
      const segment = jsonSegment(open, 0);
      const lemma = [...segment.proof.lemma];
      lemma[1] = flip(lemma[1]!) as (typeof lemma)[1];
      return { ...segment, proof: { ...segment.proof, lemma } };
    },
    seq: openSeq,
    error: invalid('proof', 'validation failed'),
  },
  {
    name: 'padding that is not zero',
    segment: () => {
      const segment = jsonSegment(padded, 16);
      const lemma = [...segment.proof.lemma];
      lemma[1] = flip(lemma[1]!) as (typeof lemma)[1];
      return { ...segment, proof: { ...segment.proof, lemma } };
    },
    seq: () => padded.seq,
    error: invalid('proof', 'invalid proof node value in the padding range'),
  },
  {
    name: 'the proof of another segment',
    segment: () => ({ ...jsonSegment(open, 0), proof: jsonSegment(open, 1).proof }),
    seq: openSeq,
    error: { code: -32000, message: /^wrong position: / },
  },
  {
    name: 'a proof for another file',
    segment: () => {
      const segment = jsonSegment(open, 0);
      const lemma = [...segment.proof.lemma];
      lemma[lemma.length - 1] = done.tree.root;
      return { ...segment, proof: { ...segment.proof, lemma } };
    },
    seq: openSeq,
    error: { code: -32000, message: /^root mismatch, / },
  },
  {
    name: 'other bytes than were proven',
    segment: changed(() => open, 0, { data: base64(patternBytes(SEGMENT, 9)) }),
    seq: openSeq,
    error: { code: -32000, message: /^data hash mismatch: / },
  },
  {
    name: 'no bytes',
    segment: changed(() => open, 0, { data: '' }),
    seq: openSeq,
    error: { code: -32000, message: 'data is empty' },
  },
  {
    name: 'part of a sector',
    segment: changed(() => open, 0, { data: base64(patternBytes(300)) }),
    seq: openSeq,
    error: { code: -32000, message: 'invalid data length' },
  },
];

describe('a segment of', () => {
  it.each(ROWS)('$name is refused by every upload call', async ({ segment, seq, error }) => {
    const before = await stored(node);
    const expected = { ...error, message: expect.stringMatching(error.message) };
    const txSeq = seq();
    const calls: [string, unknown[]][] = [
      ['zgs_uploadSegment', [segment()]],
      ['zgs_uploadSegments', [[segment()]]],
      ...(txSeq === undefined
        ? []
        : ([
            ['zgs_uploadSegmentByTxSeq', [segment(), txSeq]],
            ['zgs_uploadSegmentsByTxSeq', [[segment()], txSeq]],
          ] as [string, unknown[]][])),
    ];
    for (const [method, params] of calls)
      expect(await rpcError(node.url, method, params), method).toEqual(expected);
    expect(await stored(node)).toEqual(before);
  });

  it('another file than the sequence names is refused', async () => {
    const before = await stored(node);
    for (const method of ['zgs_uploadSegmentByTxSeq', 'zgs_uploadSegmentsByTxSeq']) {
      const segment = jsonSegment(done, 0);
      const params = [method.includes('Segments') ? [segment] : segment, open.seq];
      expect(await rpcError(node.url, method, params)).toEqual({
        code: -32603,
        message: 'Internal error',
        data: 'data root and tx seq not match',
      });
    }
    expect(await stored(node)).toEqual(before);
  });
});

describe('the binary route', () => {
  const send = async (
    file: Known,
    body: Uint8Array,
    query: Record<string, string> = {},
  ): Promise<{ status: number; json: unknown }> => {
    const search = new URLSearchParams({
      fileSize: String(file.bytes.length),
      txSeq: String(file.seq),
      ...query,
    });
    const response = await fetch(`${node.url}${segmentsPath(file.tree.root)}?${search}`, {
      method: 'POST',
      body: body as BodyInit,
    });
    return { status: response.status, json: await response.json() };
  };

  it('answers the same conditions with the same errors', async () => {
    const before = await stored(node);
    const frame = frameOf(open, 0);
    const cases: [Promise<{ status: number; json: unknown }>, Row['error']][] = [
      [send(done, encodeFrames(framesOf(done))), invalid('root', 'already uploaded and finalized')],
      [send(pruned, encodeFrames(framesOf(pruned))), invalid('root', 'already pruned')],
      [
        send(open, encodeFrames([frame]), { fileSize: '1' }),
        invalid('file_size', 'segment file size not matched with tx file size'),
      ],
      [send(open, encodeFrames([{ ...frame, index: 3 }])), invalid('index', 'index out of bound')],
      [
        send(open, encodeFrames([{ ...frame, data: patternBytes(512) }])),
        invalid('data', 'invalid data length'),
      ],
      [
        send(open, encodeFrames([{ ...frame, siblings: frame.siblings.slice(32) }])),
        invalid('proof', 'invalid proof'),
      ],
      [
        send(open, encodeFrames([{ ...frame, data: patternBytes(SEGMENT, 9) }])),
        invalid('proof', 'validation failed'),
      ],
      [
        send(open, encodeFrames([{ ...frame, data: patternBytes(0) }])),
        { code: -32000, message: 'data is empty' },
      ],
      [
        send(open, encodeFrames([frameOf(done, 0)]), { txSeq: String(done.seq) }),
        { code: -32603, message: 'Internal error', data: 'data root and tx seq not match' },
      ],
      [
        send(open, encodeFrames([frame]), { txSeq: '-1' }),
        invalid('txSeq', 'expected a non-negative integer'),
      ],
      [
        send(open, encodeFrames([frame]), { fileSize: '' }),
        invalid('fileSize', 'expected a non-negative integer'),
      ],
    ];
    for (const [answer, error] of cases) expect(await answer).toEqual({ status: 400, json: error });
    expect(await stored(node)).toEqual(before);
  });

  it.each([
    ['nothing', new Uint8Array(0), /empty body/],
    ['half a header', new Uint8Array(5), /truncated header/],
    [
      'a frame that announces more than there is',
      new Uint8Array([0, 0, 0, 0, 0, 1, 0, 0, 1, 9]),
      /truncated data/,
    ],
    ['a segment that is too long', new Uint8Array([0, 0, 0, 0, 1, 0, 4, 0, 0]), /segment too long/],
    ['a proof that is too long', new Uint8Array([0, 0, 0, 0, 0, 1, 0, 0, 65]), /proof too long/],
  ])('refuses %s', async (_, body, message) => {
    expect(await send(open, body)).toEqual({
      status: 400,
      json: { code: -32000, message: expect.stringMatching(message) },
    });
  });
});

describe('malformed parameters', () => {
  const garbage = [null, undefined, 'x', -1, 1.5, {}, [], true, '0x12', 2 ** 53, 1e300];
  it.each([
    ['zgs_getFileInfo', (bad: unknown) => [bad, true], 'root'],
    ['zgs_getFileInfoByTxSeq', (bad: unknown) => [bad], 'tx_seq'],
    ['zgs_downloadSegment', (bad: unknown) => [bad, 0, 1], 'root'],
    ['zgs_downloadSegmentByTxSeq', (bad: unknown) => [bad, 0, 1], 'tx_seq'],
    ['zgs_downloadSegmentByTxSeq', (bad: unknown) => [0, bad, 1], 'start_index'],
    ['zgs_downloadSegmentByTxSeq', (bad: unknown) => [0, 0, bad], 'end_index'],
    ['zgs_downloadSegmentWithProof', (bad: unknown) => [bad, 0], 'root'],
    ['zgs_downloadSegmentWithProofByTxSeq', (bad: unknown) => [bad, 0], 'tx_seq'],
    ['zgs_downloadSegmentWithProofByTxSeq', (bad: unknown) => [0, bad], 'index'],
    ['zgs_getSectorProof', (bad: unknown) => [bad], 'sector_index'],
    ['zgs_getHashAtNodeIndex', (bad: unknown) => [bad], 'node_index'],
    ['zgs_getDataByNodeIndex', (bad: unknown) => [bad], 'node_index'],
    ['zgs_getMetaDataByNodeIndex', (bad: unknown) => [bad], 'node_index'],
    [
      'zgs_uploadSegments',
      (bad: unknown) => [bad === undefined || Array.isArray(bad) ? 5 : bad],
      'segments',
    ],
    ['zgs_uploadSegmentsByTxSeq', (bad: unknown) => [[], bad], 'tx_seq'],
  ])('%s %# name the parameter', async (method, params, name) => {
    for (const bad of garbage) {
      expect(await rpcError(node.url, method, params(bad)), String(bad)).toMatchObject({
        code: -32602,
        message: `Invalid params: ${name}`,
      });
    }
  });

  it.each([
    ['no root', { root: undefined }, 'root'],
    ['a root of another length', { root: '0x00' }, 'root'],
    ['a negative index', { index: -1 }, 'index'],
    ['a size that is no integer', { fileSize: 1.5 }, 'fileSize'],
    ['data that is no text', { data: 5 }, 'data'],
    ['data without its padding', { data: 'YQ' }, 'data'],
    ['data in the other alphabet', { data: 'a_-=' }, 'data'],
    ['data with a line break', { data: 'YWFh\nYWFh' }, 'data'],
    ['a proof that is a list', { proof: [] }, 'proof'],
    ['a lemma of another length', { proof: { lemma: ['0x12'], path: [] } }, 'proof'],
    [
      'a lemma of a thousand',
      { proof: { lemma: Array(1000).fill(`0x${'00'.repeat(32)}`), path: [] } },
      'proof',
    ],
  ])('a segment with %s', async (_, change, name) => {
    const segment = { ...jsonSegment(open, 0), ...change };
    const before = await stored(node);
    for (const params of [[segment], [[segment]]]) {
      const method = Array.isArray(params[0]) ? 'zgs_uploadSegments' : 'zgs_uploadSegment';
      expect(await rpcError(node.url, method, params)).toMatchObject({
        code: -32602,
        message: `Invalid params: ${name}`,
      });
    }
    expect(await stored(node)).toEqual(before);
  });
});

describe('a download', () => {
  const download = (start: number, end: number): Promise<unknown> =>
    rpcError(node.url, 'zgs_downloadSegmentByTxSeq', [done.seq, start, end]);

  it('of an impossible range is refused, whether the file is known or not', async () => {
    expect(await download(5, 5)).toEqual(invalid('end_index', 'invalid chunk index'));
    expect(await download(6, 5)).toEqual(invalid('end_index', 'invalid chunk index'));
    expect(await download(0, 1025)).toEqual(invalid('end_index', 'exceeds maximum chunks 1024'));
    expect(await download(1020, 1026)).toEqual({
      code: -32000,
      message: expect.stringMatching(/^end entry index exceeds tx size: /),
    });
    expect(await rpcError(node.url, 'zgs_downloadSegment', [unknown.tree.root, 0, 1025])).toEqual(
      invalid('end_index', 'exceeds maximum chunks 1024'),
    );
    expect(await rpcError(node.url, 'zgs_downloadSegmentWithProofByTxSeq', [done.seq, 2])).toEqual(
      invalid('index', 'index out of bound'),
    );
  });

  it('of what is not here is null, never an error', async () => {
    const { root } = unknown.tree;
    for (const [method, params] of [
      ['zgs_getFileInfo', [root]],
      ['zgs_getFileInfo', [root, true]],
      ['zgs_getFileInfoByTxSeq', [999]],
      ['zgs_checkFileFinalized', [root]],
      ['zgs_checkFileFinalized', [999]],
      ['zgs_downloadSegment', [root, 0, 1]],
      ['zgs_downloadSegmentByTxSeq', [999, 0, 1]],
      ['zgs_downloadSegmentByTxSeq', [open.seq, 0, 1]],
      ['zgs_downloadSegmentByTxSeq', [pruned.seq, 0, 1]],
      ['zgs_downloadSegmentWithProof', [root, 0]],
      ['zgs_downloadSegmentWithProofByTxSeq', [999, 7]],
      ['zgs_downloadSegmentWithProofByTxSeq', [open.seq, 0]],
      ['zgs_getHashAtNodeIndex', [1e9]],
      ['zgs_getDataByNodeIndex', [1e9]],
    ] as const)
      expect(await rpcResult(node.url, method, params), method).toBeNull();
  });

  it('roots may be written in capitals; answers are in lower case', async () => {
    const root = `0x${done.tree.root.slice(2).toUpperCase()}`;
    expect(await rpcResult(node.url, 'zgs_getFileInfo', [root, true])).toMatchObject({
      tx: { dataMerkleRoot: done.tree.root },
    });
    expect(await rpcResult(node.url, 'zgs_checkFileFinalized', [root])).toBe(true);
    expect(await rpcResult(node.url, 'zgs_checkFileFinalized', [open.seq])).toBe(false);
  });

  it('of a node of the flow gives its hash, its bytes and a line about it', async () => {
    const { tx } = (await node.client.getFileInfoByTxSeq(done.seq))!;
    const at = Math.floor(tx.startEntryIndex / 1024);
    const runs = (await rpcResult(node.url, 'zgs_getDataByNodeIndex', [at])) as number[][];
    expect(runs.map((run) => run.length)).toEqual([SEGMENT]);
    expect(Uint8Array.from(runs[0]!)).toEqual(done.bytes.slice(0, SEGMENT));
    const hash = await rpcResult(node.url, 'zgs_getHashAtNodeIndex', [at]);
    expect(hash).toBe(jsonSegment(done, 0).proof.lemma[0]);
    expect(await rpcResult(node.url, 'zgs_getMetaDataByNodeIndex', [at])).toBe(
      `node ${at}: hash ${String(hash)}, 1024 of 1024 sectors stored`,
    );
  });
});

describe('a segment that is there already', () => {
  it('is refused by the calls that take one or name a root, and skipped by the one that both SDKs use', async () => {
    const [first, second, third] = [0, 1, 2].map((index) => jsonSegment(open, index));
    const duplicate = {
      code: -32000,
      message: 'segment has already been uploaded or is being uploaded',
    };
    expect(await rpcResult(node.url, 'zgs_uploadSegment', [first])).toBeNull();
    const before = await stored(node);
    expect(await rpcError(node.url, 'zgs_uploadSegment', [first])).toEqual(duplicate);
    expect(await rpcError(node.url, 'zgs_uploadSegments', [[first]])).toEqual(duplicate);
    expect(await rpcError(node.url, 'zgs_uploadSegmentByTxSeq', [first, open.seq])).toEqual(
      duplicate,
    );
    expect(await stored(node)).toEqual(before);
    // In order, to the first error: the second is stored, the third is not looked at.
    expect(await rpcError(node.url, 'zgs_uploadSegments', [[second, first, third]])).toEqual(
      duplicate,
    );
    expect((await node.client.getFileInfoByTxSeq(open.seq))?.uploadedSegNum).toBe(2);
    // Twice in one call, and beside those that are there.
    const all = [third, first, second, third];
    expect(await rpcResult(node.url, 'zgs_uploadSegmentsByTxSeq', [all, open.seq])).toBeNull();
    await finalized(node.client, open.seq);
    expect(await rpcResult(node.url, 'zgs_uploadSegments', [[]])).toBeNull();
  });
});

describe('roots and sizes', () => {
  it('a shorter file with the same root cannot make a longer one look complete', async () => {
    // 18 sectors of which the last is zero, and the 17 before it: same padding, same root.
    const long = makeFile(Uint8Array.from([...patternBytes(17 * 256, 80), ...new Uint8Array(256)]));
    const short = makeFile(patternBytes(17 * 256, 80));
    expect(short.tree.root).toBe(long.tree.root as DataRoot);
    await rpcResult(node.url, 'zgs_uploadSegment', [jsonSegment(short, 0)]);
    await rpcResult(node.url, 'zgs_uploadSegment', [jsonSegment(long, 0)]);
    const seq = await network.submit(long);
    await finalized(node.client, seq);
    expect(await node.client.downloadFrames(seq, { index: 0, count: 1 })).toEqual([
      frameOf(long, 0),
    ]);
  });
});
