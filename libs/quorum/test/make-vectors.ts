/*
 * Writes test/vectors/quorum.json with the plain reference alone: `node --conditions=source libs/quorum/test/make-vectors.ts`.
 * The package's tests and contracts/test/QuorumVectors.t.sol run it. Flat arrays, because forge reads them.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { concat, type Hex, hexToBytes, keccak256, toHex } from 'viem';
import {
  attestMessage,
  authorizationDigest,
  type BatchFields,
  batchHash,
  batchRoot,
  blobKey,
  G1,
  g1Words,
  g2Words,
  type Header,
  hash,
  hashToG2,
  mix,
  popMessage,
  positions,
  rowAt,
  rowKey,
  samples,
  seed,
  tag,
  vrfMessage,
} from './reference.ts';

const registry = { chainId: 31_337, contract: `0x${'11'.repeat(20)}` as Hex };
const entrance = { chainId: 31_337, contract: `0x${'22'.repeat(20)}` as Hex };
const draw = (label: string): Hex => keccak256(toHex(`cairn vectors ${label}`));
const address = (label: string): Hex => `0x${draw(label).slice(26)}`;
const flat = (parts: readonly Hex[]): Hex => concat(parts);

const tags = ['POP', 'VRF', 'ATTEST', 'SEED', 'MIX', 'ROWS', 'SAMPLE', 'BLOB'];

// Seven operators with the unequal stakes of the devnet.
const weights = [1000, 700, 500, 400, 250, 100, 50];
const total = weights.reduce((a, b) => a + b, 0);
const epoch = 7;
const epochSeed = seed(registry, epoch, draw('randao'), draw('mix before'));
const message = vrfMessage(registry, epoch, epochSeed);
const operators = weights.map((weight, i) => {
  const secret = BigInt(draw(`secret ${i}`)) % 2n ** 254n;
  const key = G1.BASE.multiply(secret);
  const sign = (text: Hex) => hashToG2(hexToBytes(text)).multiply(secret);
  const operator = address(`operator ${i}`);
  const keyWords = g1Words(key);
  const pop = popMessage(registry, operator, keyWords);
  const reveal = flat(g2Words(sign(message)));
  return { weight, secret, key, sign, operator, keyWords, pop, reveal, beta: keccak256(reveal) };
});
const epochMix = mix(
  epoch,
  operators.map((operator) => operator.beta),
);

const header = (i: number): Header => ({
  version: 0x11,
  shape: i % 3,
  length: 1_000_000 + i,
  rowSize: 64 * Math.ceil((1_000_005 + i) / (64 * [1024, 4096, 16_384][i % 3]!)),
  commitment: draw(`commitment ${i}`),
  account: address(`account ${i}`),
  disperser: address('disperser'),
  nonce: BigInt(draw(`nonce ${i}`)) >> BigInt(8 * i),
  epoch,
  quorum: i % 2,
  expiry: 1_800_000_000 + i,
  maxFee: 10n ** 15n + BigInt(i),
});
const headers = Array.from({ length: 11 }, (_, i) => header(i));
const keys = headers.map((item) => blobKey(entrance, item));
const batchOf = (count: number): BatchFields => ({
  epoch,
  quorum: 0,
  referenceBlock: 123_456,
  expiry: 1_800_000_600,
  blobs: count,
  root: batchRoot(keys.slice(0, count)),
});
const batches = Array.from({ length: 11 }, (_, i) => batchOf(i + 1));

const absentees = [3, 5];
const certified = batches[4]!;
const attest = attestMessage(entrance, certified);
const aggregate = operators
  .filter((_, i) => !absentees.includes(i))
  .map((operator) => operator.sign(attest))
  .reduce((a, b) => a.add(b));

const permutations = [4096, 16_384, 65_536].map((rows, i) => {
  const input = { epoch, quorum: i, mix: epochMix, commitment: draw(`commitment ${i}`) };
  const key = rowKey(entrance, input);
  const at = [
    0,
    1,
    rows - 1,
    ...Array.from({ length: 13 }, (_, j) => Number(BigInt(draw(`${i} ${j}`)) % BigInt(rows))),
  ];
  return {
    rows,
    ...input,
    key,
    positions: at,
    rowAt: at.map((position) => rowAt(key, rows, position)),
  };
});
let before = 0;
const shares = weights.map((weight) => {
  const share = { before, weight, range: positions(4096, before, weight, total) };
  before += weight;
  return share;
});
const last = shares[6]!;
const custody = Array.from({ length: last.range[1] - last.range[0] }, (_, i) =>
  rowAt(permutations[0]!.key, 4096, last.range[0] + i),
);
const blobDraws = headers.slice(0, 5).map((item) => ({
  value: hash(
    'bytes32,bytes32,address,uint256',
    epochSeed,
    item.commitment,
    item.account,
    item.nonce,
  ),
}));
const messages = Array.from({ length: 6 }, (_, i) => draw(`hash to curve ${i}`));
const sums = [
  [1000, 700, 500, 400, 250, 100, 50],
  Array.from({ length: 1024 }, () => 3),
  [...Array.from({ length: 1000 }, () => 1), 1_000_000],
  Array.from({ length: 1100 }, (_, i) => i + 1),
].map((votes) => {
  const s1 = votes.reduce((a, b) => a + BigInt(b), 0n);
  const s2 = votes.reduce((a, b) => a + BigInt(b) ** 2n, 0n);
  const count = (s1 * s1) / (s2 * 512n);
  return { s1, s2, count: count < 1n ? 1n : count };
});

const vectors = {
  about: {
    source: 'design/da-protocol.md sections 1 to 4',
    version: 1,
    command:
      'node --conditions=source libs/quorum/test/make-vectors.ts (viem ABI encoder, @noble/curves; no code of src)',
  },
  chainId: 31_337,
  registry: registry.contract,
  entrance: entrance.contract,
  tagNames: tags,
  tags: tags.map(tag),
  epoch,
  randao: draw('randao'),
  previousMix: draw('mix before'),
  seed: epochSeed,
  vrfMessage: message,
  mix: epochMix,
  weights,
  operators: operators.map((operator) => operator.operator),
  secrets: operators.map((operator) => toHex(operator.secret, { size: 32 })),
  keys: operators.map((operator) => flat(operator.keyWords)),
  popMessages: operators.map((operator) => operator.pop),
  popSignatures: operators.map((operator) => flat(g2Words(operator.sign(operator.pop)))),
  reveals: operators.map((operator) => operator.reveal),
  betas: operators.map((operator) => operator.beta),
  hashMessages: messages,
  hashPoints: messages.map((text) => flat(g2Words(hashToG2(hexToBytes(text))))),
  sumS1: sums.map((item) => Number(item.s1)),
  sumS2: sums.map((item) => Number(item.s2)),
  sumQuorums: sums.map((item) => Number(item.count)),
  shareStarts: shares.map((share) => share.range[0]),
  shareEnds: shares.map((share) => share.range[1]),
  permutationRows: permutations.map((item) => item.rows),
  permutationQuorums: permutations.map((item) => item.quorum),
  permutationCommitments: permutations.map((item) => item.commitment),
  permutationKeys: permutations.map((item) => item.key),
  permutationPositions: permutations.flatMap((item) => item.positions),
  permutationValues: permutations.flatMap((item) => item.rowAt),
  sampleMember: 6,
  sampleCustody: custody,
  sampleRows: samples({ epoch, member: 6, commitment: permutations[0]!.commitment }, custody, 4096),
  headerNumbers: headers.flatMap((item) => [
    item.version,
    item.shape,
    item.length,
    item.rowSize,
    item.epoch,
    item.quorum,
    item.expiry,
  ]),
  headerCommitments: headers.map((item) => item.commitment),
  headerAccounts: headers.map((item) => item.account),
  headerDispersers: headers.map((item) => item.disperser),
  headerNonces: headers.map((item) => toHex(item.nonce, { size: 32 })),
  headerMaxFees: headers.map((item) => toHex(item.maxFee, { size: 32 })),
  blobKeys: keys,
  authorizationDigests: headers.map((item) => authorizationDigest(entrance, item)),
  blobDraws: blobDraws.map((item) => item.value),
  batchReferenceBlock: 123_456,
  batchExpiry: 1_800_000_600,
  batchRoots: batches.map((batch) => batch.root),
  batchHashes: batches.map(batchHash),
  attestMessages: batches.map((batch) => attestMessage(entrance, batch)),
  certifiedBlobs: 5,
  absentees,
  absenteesHash: hash('uint16[]', absentees),
  aggregateSignature: flat(g2Words(aggregate)),
};
writeFileSync(
  join(import.meta.dirname, 'vectors', 'quorum.json'),
  `${JSON.stringify(vectors, undefined, 1)}\n`,
);
