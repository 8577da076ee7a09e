/*
 * DA nodes, one of them in the hands of a liar, and a disperser that serves rollups: what the rollup suites share. The disperser is
 * started again where a row needs other flags.
 */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { seededRandom } from '@cairn/base';
import {
  type BlobHeader,
  batchProof,
  blobKey,
  type Domain,
  decodeRollupCertificate,
  encodeRollupCertificate,
} from '@cairn/quorum';
import { type DaNetwork, startDaNetwork } from './da-network.ts';
import { NitroClient } from './nitro-client.ts';
import { OpClient } from './op-client.ts';

export type RollupNetwork = AsyncDisposable & {
  network: DaNetwork;
  /** Of the Nitro server's tokens. */
  secret: Uint8Array;
  op: OpClient;
  nitro: NitroClient;
  /** What the disperser measures, as Prometheus reads it. */
  metrics(): Promise<string>;
  /** Starts the disperser again with these flags beside its usual ones. */
  restart(extra?: readonly string[]): Promise<void>;
};

/** Longest input the servers take. */
export const INPUT_BYTES_MAX = 2_000_000;
const STAKES = [400, 300, 200, 100];
/** Whose rows are changed on the way to a reader. */
export const LIAR = 3;

export async function startRollupNetwork(): Promise<RollupNetwork> {
  await using stack = new AsyncDisposableStack();
  const faults = STAKES.map((_, i) => (i === LIAR ? 'lies' : undefined));
  const network = stack.use(await startDaNetwork(STAKES, [], faults));
  const secret = new Uint8Array(randomBytes(32));
  const jwt = join(network.dir, 'jwt.hex');
  writeFileSync(jwt, Buffer.from(secret).toString('hex'), { mode: 0o600 });
  const flags = [
    ...['--op-port', '0', '--nitro-port', '0', '--metrics-port', '0'],
    ...['--rollup-verifier-address', network.rollupVerifier],
    ...['--nitro-jwt-file', jwt, '--nitro-chunked-store', '--nitro-signer', 'commitment'],
    ...['--rollup-input-bytes-max', String(INPUT_BYTES_MAX), '--rollup-recency-blocks', '1000'],
  ];
  const clients = (): Pick<RollupNetwork, 'op' | 'nitro'> => {
    const { op, nitro } = network.disperser.ready;
    return { op: new OpClient(String(op)), nitro: new NitroClient(String(nitro), secret) };
  };
  await network.restartDisperser(flags);
  const owned = stack.move();
  const rollup: RollupNetwork = {
    network,
    secret,
    ...clients(),
    async metrics() {
      return (await fetch(`${network.disperser.ready.metrics}/metrics`)).text();
    },
    async restart(extra = []) {
      await network.restartDisperser([...flags, ...extra]);
      Object.assign(rollup, clients());
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
  return rollup;
}

/** How the suites of the rollup tests reach the network, which is there once they run. */
export type OnRollups = () => RollupNetwork;

export const inputOf = (size: number, seed: number): Uint8Array => seededRandom(seed).bytes(size);
export const hex = (...parts: (Uint8Array | number[])[]): `0x${string}` =>
  `0x${Buffer.concat(parts.map((part) => Buffer.from(part))).toString('hex')}`;
export const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.from(a).equals(b);
export const flip = (data: Uint8Array, at: number, by = 1): Uint8Array => {
  const out = data.slice();
  out[at]! ^= by;
  return out;
};

/** The same certificate with other fields: well-formed, and of a batch that nobody confirmed. */
export function forged(certificate: Uint8Array, referenceBlock?: number): Uint8Array {
  const decoded = decodeRollupCertificate(certificate);
  const { batch, header } = decoded;
  return encodeRollupCertificate({
    ...decoded,
    batch: { ...batch, referenceBlock: referenceBlock ?? batch.referenceBlock },
    header: { ...header, nonce: header.nonce ^ 1n },
  });
}

/** A certificate as the same rollup would get it on another chain: two blobs of a batch there, with the proof of the first. */
export function ofAnotherChain(
  certificate: Uint8Array,
  entrance: Domain,
  referenceBlock: number,
): Uint8Array {
  const { header, batch, offset, length } = decodeRollupCertificate(certificate);
  const there: Domain = { ...entrance, chainId: entrance.chainId + 1 };
  const headers: BlobHeader[] = [1n, 2n].map((by) => ({ ...header, nonce: header.nonce ^ by }));
  const keys = headers.map((one) => blobKey(there, one));
  return encodeRollupCertificate({
    header: headers[0]!,
    batch: { ...batch, referenceBlock, blobs: 2 },
    ...{ index: 0, siblings: batchProof(keys, 0), offset, length },
  });
}
