// How a blob that is to be archived is followed: a disperser that says what a test tells it to, a chain that believes it.
import { CodedError, parseAddress, parseHash32 } from '@cairn/base';
import type { DaReader } from '@cairn/chain/da';
import { loadKernels } from '@cairn/kernels';
import { type BlobHeader, blobKey, decodeHeader, encodeHeader } from '@cairn/quorum';
import type { BlobStatus } from '@cairn/rpc/grpc';
import { expect, it } from 'vitest';
import { disperseThrough, type ThroughDeps, type ThroughResult } from '../src/node/da/index.ts';

const kernels = await loadKernels();
const address = (byte: string) => parseAddress(`0x${byte.repeat(20)}`);
const hash = (byte: string) => parseHash32(`0x${byte.repeat(32)}`);
const ENTRANCE = { chainId: 31_337, contract: address('e1') };
const ROOT = hash('ab');
const DATA = Uint8Array.of(1, 2, 3);
const HEADER: BlobHeader = {
  ...{ version: 0x11, shape: 0, length: 3, rowSize: 64, nonce: 1n, maxFee: 0n },
  ...{ commitment: hash('cc'), account: address('aa'), disperser: address('bb') },
  ...{ epoch: 1, quorum: 0, expiry: 1 },
};

const busy = new CodedError({ code: 'DISPERSER_BUSY', kind: 'exhausted', message: 'no room' });

type Said = Partial<BlobStatus> | CodedError;
/** Dispersal with a disperser that says these things of the blob, one after the other, and then no more. */
function through(
  said: readonly Said[],
  options: { archive?: boolean; finalized?: boolean; timeoutMs?: number },
  timesBusy = 0,
) {
  const header = encodeHeader(HEADER);
  const certificate = {
    header,
    certificate: new Uint8Array(1),
    lookup: new Uint8Array(1),
    block: 9,
  };
  let asked: boolean | undefined;
  const client = {
    async prepare(request: { archive?: boolean }) {
      if (timesBusy-- > 0) throw busy;
      asked = request.archive;
      const key = blobKey(ENTRANCE, decodeHeader(header));
      return { header, blobKey: new Uint8Array(Buffer.from(key.slice(2), 'hex')) };
    },
    async disperse() {},
    async *watchStatus() {
      for (const one of said) {
        if (one instanceof CodedError) throw one;
        yield { reason: '', certificate, archiveRoot: undefined, ...one };
      }
    },
  };
  const member = { index: 0, weight: 1, weightBefore: 0 };
  const epoch = {
    epoch: 1,
    seed: hash('5e'),
    quorums: [{ quorum: 0, isOpen: true, members: [member] }],
  };
  const reader = {
    head: async () => ({ number: 1, timestamp: 1 }),
    parameters: async () => ({ retentionSeconds: 600 }),
    pricePerByteSecond: async () => 0n,
    serving: async () => epoch,
    account: async () => ({ balanceWei: 1n, pendingWei: 0n }),
    checkCertificate: async () => 1,
  } as unknown as DaReader;
  const account = { address: HEADER.account, authorize: async () => new Uint8Array(65) };
  const deps = { client, reader, account, kernels, entrance: ENTRANCE } as unknown as ThroughDeps;
  const result: Promise<ThroughResult> = disperseThrough(deps, DATA, { trust: true, ...options });
  return { result, asked: () => asked };
}
const away = new CodedError({ code: 'RPC_TIMEOUT', kind: 'timeout', message: 'too long' });

it('asks for a copy only when told to, and is done at CONFIRMED without', async () => {
  const { result, asked } = through([{ state: 'CONFIRMED' }, away], {});
  expect(await result).toMatchObject({ state: 'CONFIRMED', archiveRoot: undefined });
  expect(asked()).toBe(false);
});

it('offers a blob again to a disperser that has no room, for as long as it may', async () => {
  const { result } = through([{ state: 'CONFIRMED' }], {}, 2);
  expect(await result).toMatchObject({ state: 'CONFIRMED' });
  const impatient = through([{ state: 'CONFIRMED' }], { timeoutMs: 100 }, 1);
  await expect(impatient.result).rejects.toBe(busy);
});

it('waits for the root of the copy', async () => {
  const said: Said[] = [
    ...[{ state: 'PROCESSING' } as const, { state: 'CONFIRMED' } as const],
    ...[{ state: 'FINALIZED' } as const, { state: 'FINALIZED', archiveRoot: ROOT } as const],
  ];
  const { result, asked } = through(said, { archive: true });
  expect(await result).toMatchObject({ state: 'FINALIZED', archiveRoot: ROOT });
  expect(asked()).toBe(true);
});

it('is content with the certificate when the copy takes too long', async () => {
  const { result } = through([{ state: 'CONFIRMED' }, { state: 'FINALIZED' }, away], {
    archive: true,
  });
  expect(await result).toMatchObject({ state: 'FINALIZED', archiveRoot: undefined });
  await expect(through([away], { archive: true }).result).rejects.toBe(away);
  const early = through([{ state: 'CONFIRMED' }, away], { archive: true, finalized: true });
  await expect(early.result, 'not final').rejects.toBe(away);
});

it('a blob that fails while its copy is awaited has failed', async () => {
  const said: Said[] = [{ state: 'CONFIRMED' }, { state: 'FAILED', reason: 'a reorg' }];
  await expect(through(said, { archive: true }).result).rejects.toMatchObject({
    code: 'SDK_DA_FAILED',
  });
});
