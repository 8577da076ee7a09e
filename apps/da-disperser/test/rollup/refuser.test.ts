// Which certificates are refused on the disperser's expense, and how often.
import { type Clock, hexToBytes, silentLogger } from '@cairn/base';
import { encodeRollupCertificate } from '@cairn/quorum';
import { beforeEach, expect, it } from 'vitest';
import { Refuser } from '../../src/rollup/refuser.ts';
import { hash } from '../memory-entrance.ts';

const address = `0x${'22'.repeat(20)}` as never;
const signal = new AbortController().signal;
const certificate = (referenceBlock: number): Uint8Array =>
  encodeRollupCertificate({
    header: {
      ...{ version: 0x11, shape: 0, length: 1000, rowSize: 64, commitment: hash('cc') },
      ...{ account: address, disperser: address, nonce: 1n, epoch: 3, quorum: 0 },
      ...{ expiry: 1000, maxFee: 1n },
    },
    batch: { epoch: 3, quorum: 0, referenceBlock, expiry: 1000, blobs: 1 },
    ...{ index: 0, siblings: [], offset: 0, length: 10 },
  });

let nowMs: number;
let head: number;
let sent: Uint8Array[];
let fails: boolean;
let refuser: Refuser;
beforeEach(() => {
  [nowMs, head, sent, fails] = [0, 500, [], false];
  const clock: Clock = { now: () => nowMs, monotonic: () => nowMs, sleep: async () => {} };
  refuser = new Refuser({
    ...{ clock, log: silentLogger, verifier: address },
    reader: { head: async () => ({ number: head, hash: hash('bb'), timestamp: 1 }) },
    sender: {
      async send({ args }) {
        if (fails) throw new Error('no chain');
        sent.push(hexToBytes(String(args[0])));
        return {} as never;
      },
    },
  });
});

it('refuses what the contract would refuse in the next block, and nothing nearer', async () => {
  expect(await refuser.refuse(certificate(565), signal)).toBe(false);
  expect(sent).toEqual([]);
  expect(await refuser.refuse(certificate(566), signal)).toBe(true);
  expect(sent).toEqual([certificate(566)]);
});

it('pays for one in ten seconds, whoever asks', async () => {
  expect(await refuser.refuse(certificate(9000), signal)).toBe(true);
  expect(await refuser.refuse(certificate(9001), signal)).toBe(false);
  nowMs = 9999;
  expect(await refuser.refuse(certificate(9001), signal)).toBe(false);
  nowMs = 10_000;
  expect(await refuser.refuse(certificate(9001), signal)).toBe(true);
});

it('a transaction that does not go through is no refusal', async () => {
  fails = true;
  expect(await refuser.refuse(certificate(9000), signal)).toBe(false);
});
