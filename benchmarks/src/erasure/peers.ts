// The libraries that the erasure suite compares with, each behind one small interface. One that is not installed, or could not
// be compiled, is absent and said to be; nothing is estimated.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { ReedSolomonErasure } from '@subspace/reed-solomon-erasure.wasm';
import { loadPeer } from '../peers.ts';

/** reed-solomon-erasure (Rust) as WebAssembly: the same code words as our Vandermonde layout. */
export type SubspacePeer = {
  /** `shards` holds k data shards and room for m parity shards. */
  encode(shards: Uint8Array, k: number, m: number): void;
};

/** Reed-Solomon in C++ with AVX2; encodes in a thread of libuv. */
export type RonomonPeer = {
  kMax: number;
  mMax: number;
  encoder(
    k: number,
    m: number,
    shardBytes: number,
  ): (data: Uint8Array, parity: Uint8Array) => Promise<void>;
};

/** Cells and proofs of PeerDAS (EIP-7594): a 2x code of 128 KiB blobs, certified by 128 KZG proofs. */
export type KzgPeer = { name: string; cellsAndProofs(blob: Uint8Array): unknown };

export type ErasurePeers = {
  subspace: SubspacePeer;
  ronomon: RonomonPeer | undefined;
  kzg: KzgPeer[];
  /** One sentence for each peer that is not here. */
  absent: string[];
};

function loadSubspace(): SubspacePeer {
  const entry = createRequire(import.meta.url).resolve('@subspace/reed-solomon-erasure.wasm');
  const wasm = readFileSync(join(entry, '../reed_solomon_erasure_bg.wasm'));
  const peer = ReedSolomonErasure.fromBytes(wasm);
  return {
    encode(shards, k, m) {
      const result = peer.encode(shards, k, m);
      if (result !== ReedSolomonErasure.RESULT_OK) throw new Error(`@subspace: result ${result}`);
    },
  };
}

type RonomonModule = {
  MAX_K: number;
  MAX_M: number;
  create(k: number, m: number): unknown;
  encode(
    ...args: [
      context: unknown,
      sources: number,
      targets: number,
      buffer: Buffer,
      bufferOffset: number,
      bufferSize: number,
      parity: Buffer,
      parityOffset: number,
      paritySize: number,
      done: (error?: Error) => void,
    ]
  ): void;
};

function ronomonPeer(peer: RonomonModule): RonomonPeer {
  return {
    kMax: peer.MAX_K,
    mMax: peer.MAX_M,
    encoder(k, m, shardBytes) {
      const context = peer.create(k, m);
      const sources = 2 ** k - 1;
      const targets = (2 ** m - 1) * 2 ** k;
      return (data, parity) => {
        const { promise, resolve, reject } = Promise.withResolvers<void>();
        const [from, to] = [Buffer.from(data.buffer), Buffer.from(parity.buffer)];
        const sizes = [k * shardBytes, m * shardBytes] as const;
        peer.encode(
          context,
          sources,
          targets,
          from,
          data.byteOffset,
          sizes[0],
          to,
          parity.byteOffset,
          sizes[1],
          (error) => (error ? reject(error) : resolve()),
        );
        return promise;
      };
    },
  };
}

type CkzgModule = {
  loadTrustedSetup(precompute: number): void;
  computeCellsAndKzgProofs(blob: Uint8Array): unknown;
};

function ckzgPeer(peer: CkzgModule): KzgPeer {
  // 8 is what consensus clients use: 96 MiB of tables, about twice as fast as none.
  peer.loadTrustedSetup(8);
  return { name: 'c-kzg', cellsAndProofs: (blob) => peer.computeCellsAndKzgProofs(blob) };
}

type EthKzgModule = {
  DasContextJs: {
    create(options: { usePrecomp: boolean }): {
      computeCellsAndKzgProofs(blob: Uint8Array): unknown;
    };
  };
};

function ethKzgPeer({ DasContextJs }: EthKzgModule): KzgPeer {
  const context = DasContextJs.create({ usePrecomp: true });
  return {
    name: 'node-eth-kzg',
    cellsAndProofs: (blob) => context.computeCellsAndKzgProofs(blob),
  };
}

/** Loads every peer that is here. The KZG libraries build their tables, which takes seconds. */
export function loadErasurePeers(): ErasurePeers {
  const absent: string[] = [];
  const load = <Module, Adapter>(
    name: string,
    adapt: (module: Module) => Adapter,
  ): Adapter | undefined => {
    const peer = loadPeer<Module>(name);
    if (!('absent' in peer)) return adapt(peer.module);
    absent.push(peer.absent);
    return undefined;
  };
  const ronomon = load('@ronomon/reed-solomon', ronomonPeer);
  const kzg = [load('c-kzg', ckzgPeer), load('@crate-crypto/node-eth-kzg', ethKzgPeer)].filter(
    (peer) => peer !== undefined,
  );
  return { subspace: loadSubspace(), ronomon, kzg, absent };
}
