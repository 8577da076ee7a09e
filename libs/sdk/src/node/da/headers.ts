/*
 * Blob headers: which epoch and quorum take the blob now, until when it is kept, what it may cost. Whoever pays signs the header,
 * so it is made from the chain's state alone and can be checked by the payer before it signs.
 */
import {
  type Address,
  bytesToHash32,
  CodedError,
  type Hex,
  hexToBytes,
  parseAddress,
  type RandomSource,
} from '@cairn/base';
import type { DaEpoch, DaParameters, DaReader } from '@cairn/chain/da';
import { type BlobFormat, type EncodedBlob, parseBlobFormat } from '@cairn/erasure';
import {
  authorizationDigest,
  BLOB_VERSION,
  type BlobHeader,
  blobFee,
  chooseShape,
  type Domain,
  quorumOfBlob,
  rowBytes,
} from '@cairn/quorum';
import { privateKeyToAddress, sign } from 'viem/accounts';

/** What a header follows from: the epoch that serves, the time of the newest block (Unix seconds), the price. */
export type DaMoment = {
  epoch: DaEpoch;
  parameters: DaParameters;
  timestamp: number;
  pricePerByteSecond: bigint;
};
/** Who pays for blobs. */
export type BlobAccount = {
  readonly address: Address;
  /** ECDSA over the header (65 bytes), as members and contract check it. */
  authorize(header: BlobHeader): Promise<Uint8Array>;
};

/** Blobs whose headers fall into the same span share an expiry, so that they fit one batch. */
const EXPIRY_STEP_SECONDS = 10;

/** Throws `SDK_DA_NO_QUORUM` (unavailable). */
export async function daMoment(
  reader: Pick<DaReader, 'head' | 'parameters' | 'serving' | 'pricePerByteSecond'>,
): Promise<DaMoment> {
  const [head, parameters, pricePerByteSecond] = await Promise.all([
    reader.head(),
    reader.parameters(),
    reader.pricePerByteSecond(),
  ]);
  const epoch = await reader.serving(head.number);
  if (!epoch?.quorums.some(({ isOpen }) => isOpen))
    throw new CodedError({
      code: 'SDK_DA_NO_QUORUM',
      kind: 'unavailable',
      message: 'no quorum serves now',
      hint: 'operators must reveal in the window before an epoch begins; try again in the next epoch',
    });
  return { epoch, parameters, timestamp: head.timestamp, pricePerByteSecond };
}

/** The format of a blob of `length` bytes: the smallest shape that gives each member of any quorum enough rows. */
export function blobFormat(length: number, moment: Pick<DaMoment, 'epoch'>): BlobFormat {
  const memberCount = Math.max(...moment.epoch.quorums.map(({ members }) => members.length));
  const shape = chooseShape(memberCount, length);
  return parseBlobFormat({
    version: BLOB_VERSION,
    shape: shape.code,
    length,
    rowBytes: rowBytes(shape, length),
  });
}

/** A header for an encoded blob of `length` bytes. The nonce draws the quorum among the open ones; any of them is as good. */
export function makeHeader(
  blob: { encoded: Pick<EncodedBlob, 'commitment' | 'format'>; length: number },
  payment: { account: Address; disperser: Address; nonce: bigint },
  moment: DaMoment,
): BlobHeader {
  const { encoded, length } = blob;
  const { account, disperser, nonce } = payment;
  const { epoch, parameters, timestamp } = moment;
  const commitment = bytesToHash32(encoded.commitment);
  const shape = encoded.format.shape.id;
  const rowSize = encoded.format.rowBytes;
  const open = epoch.quorums.filter(({ isOpen }) => isOpen).map(({ quorum }) => quorum);
  const latest = timestamp + parameters.retentionSeconds;
  return {
    version: BLOB_VERSION,
    shape,
    length,
    rowSize,
    commitment,
    account,
    disperser,
    nonce,
    epoch: epoch.epoch,
    quorum: quorumOfBlob(open, { seed: epoch.seed, commitment, account, nonce }),
    expiry: Math.floor(latest / EXPIRY_STEP_SECONDS) * EXPIRY_STEP_SECONDS,
    maxFee: blobFee({ shape, rowSize }, { ...parameters, ...moment }),
  };
}

/** Nonces are unordered bits on chain: random ones need no memory of those that were used. */
export function randomNonce(random: RandomSource): bigint {
  let value = 0n;
  for (const byte of random.bytes(31)) value = (value << 8n) | BigInt(byte);
  return value;
}

/** The account of a private key. */
export function createBlobAccount(privateKey: Hex, entrance: Domain): BlobAccount {
  return {
    address: parseAddress(privateKeyToAddress(privateKey)),
    async authorize(header) {
      const hash = authorizationDigest(entrance, header);
      return hexToBytes(await sign({ hash, privateKey, to: 'hex' }));
    },
  };
}
