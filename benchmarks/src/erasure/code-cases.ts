// Reed-Solomon over GF(2^8) at the shapes of storage systems, against libraries that make the same or an equal amount of
// parity; stripes of coded files.
import { concatBytes, equalBytes } from '@cairn/base';
import { FRAGMENT_BYTES, ReedSolomon, STRIPE_BYTES, stripeCode } from '@cairn/erasure';
import type { GaloisKernels, Kernels } from '@cairn/kernels';
import type { BenchCase } from '../harness.ts';
import type { RonomonPeer, SubspacePeer } from './peers.ts';
import { randomBytes } from './random.ts';

const SHARD_BYTES = 65_536;
/** Shapes as data and parity shards. */
export const CODE_SHAPES = [
  [10, 4],
  [64, 64],
] as const;

export const codeName = (what: string, k: number, m: number): string =>
  `${what}/k=${k}/m=${m}/shardBytes=${SHARD_BYTES}`;

/** `data` and room for `parityBytes` in the memory of a backend, which all cases of that backend share. */
function place(
  { workspace }: GaloisKernels,
  data: Uint8Array,
  parityBytes: number,
): { data: Uint8Array; parity: Uint8Array } {
  const rows = workspace(data.length + parityBytes);
  rows.set(data);
  return { data: rows.subarray(0, data.length), parity: rows.subarray(data.length) };
}

/** Runs until a case has tens of milliseconds of work. */
const repeat = (times: number, run: () => void) => (): void => {
  for (let i = 0; i < times; i++) run();
};

/** Encoding of `k` data shards by each backend and peer; every result is compared with the first one first. */
export function codeCases(
  backends: readonly Kernels[],
  peers: { subspace: SubspacePeer | undefined; ronomon: RonomonPeer | undefined },
): BenchCase[] {
  return CODE_SHAPES.flatMap(([k, m]): BenchCase[] => {
    const dataBytes = k * SHARD_BYTES;
    const ownTimes = k < 32 ? 1024 : 64;
    const data = randomBytes(dataBytes, k);
    const parityBytes = m * SHARD_BYTES;
    const shape = { field: 8, layout: 'vandermonde', dataRows: k, parityRows: m } as const;
    const codes = backends.map((kernels) => ({
      backend: kernels.backend,
      code: new ReedSolomon(kernels.galois, shape),
      rows: place(kernels.galois, data, parityBytes),
    }));
    const expected = codes[0]!.code.encode(data, SHARD_BYTES);
    const out: BenchCase[] = codes.map(({ backend, code, rows }) => {
      if (!equalBytes(code.encode(rows.data, SHARD_BYTES, rows.parity), expected))
        throw new Error(`${backend}: parity differs`);
      return {
        name: codeName(`erasure.encode/backend=${backend}`, k, m),
        bytes: ownTimes * dataBytes,
        cpu: true,
        run: repeat(ownTimes, () => code.encode(rows.data, SHARD_BYTES, rows.parity)),
      };
    });
    if (peers.subspace) {
      const { subspace } = peers;
      const shards = concatBytes(data, new Uint8Array(parityBytes));
      subspace.encode(shards, k, m);
      if (!equalBytes(shards.subarray(dataBytes), expected))
        throw new Error('@subspace: parity differs from ours');
      const times = k < 32 ? 64 : 1;
      out.push({
        name: codeName('subspace.encode', k, m),
        bytes: times * dataBytes,
        cpu: true,
        run: repeat(times, () => subspace.encode(shards, k, m)),
      });
    }
    if (peers.ronomon && k <= peers.ronomon.kMax && m <= peers.ronomon.mMax) {
      const encode = peers.ronomon.encoder(k, m, SHARD_BYTES);
      const parity = new Uint8Array(parityBytes);
      out.push({
        name: codeName('ronomon.encode', k, m),
        bytes: 64 * dataBytes,
        run: async () => {
          for (let i = 0; i < 64; i++) await encode(data, parity);
        },
      });
    }
    return out;
  });
}

/** Encoding of one stripe of a coded file (4 MiB of data), and rebuilding one lost fragment of it. */
export function stripeCases(backends: readonly Kernels[]): BenchCase[] {
  const data = randomBytes(STRIPE_BYTES, 16);
  return backends.flatMap(({ backend, galois }): BenchCase[] => {
    const code = stripeCode(galois, 32);
    const own = place(galois, data, STRIPE_BYTES);
    const parity = code.encode(data, FRAGMENT_BYTES);
    const indices = Array.from({ length: 16 }, (_, i) => i + 1);
    const rows = concatBytes(data.subarray(FRAGMENT_BYTES), parity.subarray(0, FRAGMENT_BYTES));
    const input = { rows, indices, rowBytes: FRAGMENT_BYTES, wanted: [0] };
    const fragment = code.reconstruct(input);
    if (!equalBytes(fragment, data.subarray(0, FRAGMENT_BYTES)))
      throw new Error(`${backend}: a fragment is not rebuilt`);
    return [
      {
        name: `erasure.encodeStripe/backend=${backend}/n=32`,
        bytes: 16 * STRIPE_BYTES,
        cpu: true,
        run: repeat(16, () => code.encode(own.data, FRAGMENT_BYTES, own.parity)),
      },
      {
        name: `erasure.rebuildFragment/backend=${backend}/n=32`,
        bytes: 16 * STRIPE_BYTES,
        cpu: true,
        run: repeat(16, () => code.reconstruct({ ...input, out: fragment })),
      },
    ];
  });
}
