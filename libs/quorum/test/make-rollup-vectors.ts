/*
 * Writes test/vectors/rollup.json with viem's packed encoder and the plain reference alone:
 * `node --conditions=source libs/quorum/test/make-rollup-vectors.ts`. The package's tests and the contracts run it.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { concat, encodePacked, type Hex, keccak256, pad, slice, toHex } from 'viem';
import { blobKey } from './reference.ts';

const entrance = { chainId: 31_337, contract: `0x${'22'.repeat(20)}` as Hex };
const draw = (label: string): Hex => keccak256(toHex(`cairn rollup vectors ${label}`));
const address = (label: string): Hex => slice(draw(label), 12);
const word = (value: bigint | number): Hex => pad(toHex(value), { size: 32 });
const join2 = (left: Hex, right: Hex): Hex => keccak256(concat([left, right]));

/** Blobs in the batch, place, siblings' sides from the leaf up (true: the sibling is left), as a drawing of the tree shows. */
const trees: [blobs: number, index: number, sides: boolean[]][] = [
  [1, 0, []],
  [2, 1, [true]],
  [5, 4, [true]],
  [5, 2, [false, true, false]],
  [64, 63, [true, true, true, true, true, true]],
];
const cases = trees.map(([blobs, index, sides], i) => {
  const length = 100_000 + i;
  const rowSize = 64 * Math.ceil((5 + length) / 65_536);
  const [epoch, quorum, referenceBlock, expiry] = [7 + i, i, 1_234 + i, 1_800_000_000 + i];
  const header = {
    version: 0x11,
    shape: 0,
    length,
    rowSize,
    commitment: draw(`commitment ${i}`),
    account: address(`account ${i}`),
    disperser: address(`disperser ${i}`),
    nonce: BigInt(draw(`nonce ${i}`)),
    epoch,
    quorum,
    expiry: BigInt(expiry),
    maxFee: 10n ** 18n + BigInt(i),
  };
  const siblings = sides.map((_, j) => draw(`sibling ${i} ${j}`));
  const key = blobKey(entrance, header as never);
  const root = sides.reduce<Hex>(
    (node, isLeft, j) => (isLeft ? join2(siblings[j]!, node) : join2(node, siblings[j]!)),
    key,
  );
  const body = concat([
    '0x014301',
    encodePacked(
      [
        'uint8',
        'uint32',
        'uint32',
        'uint32',
        'uint32',
        'uint16',
        'uint64',
        'uint64',
        'uint8',
        'uint8',
      ],
      [
        0,
        length,
        17 * i,
        1000,
        epoch,
        quorum,
        BigInt(referenceBlock),
        BigInt(expiry),
        blobs,
        index,
      ],
    ),
    encodePacked(
      ['bytes32', 'address', 'address', 'uint256', 'uint128'],
      [header.commitment, header.account, header.disperser, header.nonce, header.maxFee],
    ),
    ...siblings,
  ]);
  return {
    certificate: concat([body, slice(keccak256(body), 0, 4)]),
    offset: 17 * i,
    length: 1000,
    blobKey: key,
    lookup: concat([
      ...[1, epoch, quorum, referenceBlock, expiry, blobs].map(word),
      root,
      ...[0x11, 0, length, rowSize].map(word),
      header.commitment,
      pad(header.account, { size: 32 }),
      pad(header.disperser, { size: 32 }),
      ...[header.nonce, epoch, quorum, expiry, header.maxFee, index].map(word),
      ...siblings,
    ]),
  };
});
const column = <K extends keyof (typeof cases)[number]>(name: K): (typeof cases)[number][K][] =>
  cases.map((one) => one[name]);
writeFileSync(
  join(import.meta.dirname, 'vectors/rollup.json'),
  `${JSON.stringify(
    {
      about: {
        purpose: 'certificates that rollups post, and the lookups they stand for',
        source: 'libs/quorum/src/rollup.ts (layout), design/da-protocol.md section 4',
        madeBy:
          'node --conditions=source libs/quorum/test/make-rollup-vectors.ts: viem, no code of src',
      },
      chainId: entrance.chainId,
      entrance: entrance.contract,
      certificates: column('certificate'),
      offsets: column('offset'),
      lengths: column('length'),
      blobKeys: column('blobKey'),
      lookups: column('lookup'),
    },
    null,
    1,
  )}\n`,
);
