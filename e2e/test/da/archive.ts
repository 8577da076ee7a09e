/* `archive: true`: a blob becomes a file of the storage lane as well, whatever happens to the disperser meanwhile. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bytesToHex, hexToBytes, parseAddress } from '@cairn/base';
import { createTransactionSender } from '@cairn/chain';
import { depositCall } from '@cairn/chain/da';
import { decodeHeader } from '@cairn/quorum';
import { type BlobStatus, DisperserClient } from '@cairn/rpc/grpc';
import { createBlobAccount } from '@cairn/sdk/da';
import { patternBytes } from '@cairn/testkit';
import { afterAll, expect, it } from 'vitest';
import type { DaNetwork } from '../../src/da-network.ts';
import { type CliResult, cairn } from '../../src/devnet.ts';
import { entranceOf } from '../../src/read-blob.ts';
import { startStorageLane } from '../../src/storage-lane.ts';

const settings = { timeoutMs: 60_000 };

export function archiveOfOwnBlobs(on: () => DaNetwork): void {
  const stack = new AsyncDisposableStack();
  afterAll(() => stack.disposeAsync());
  let indexerUrl: string;
  const run = (...args: string[]): Promise<CliResult> =>
    cairn(undefined, [
      ...['da', ...args, '--json', '--key-file', join(on().dir, 'user.key')],
      ...['--rpc', on().anvil.rpcUrl, '--entrance', on().reader.contracts.entrance],
    ]);
  const disperser = (): string => String(on().disperser.ready.grpc);
  const file = async (root: string): Promise<Buffer> => {
    const out = join(on().dir, root);
    const got = await cairn(undefined, ['get', root, '-o', out, '--indexer', indexerUrl, '--json']);
    expect(got.code, got.stderr).toBe(0);
    return readFileSync(out);
  };

  it('is refused where no storage network is configured', async () => {
    writeFileSync(join(on().dir, 'blob.bin'), patternBytes(90_000, 90));
    const { code, json } = await run(
      ...['put', join(on().dir, 'blob.bin'), '--disperser', disperser(), '--archive'],
    );
    expect(code).toBe(2);
    expect(json.error).toMatchObject({ code: 'DISPERSER_NO_ARCHIVE' });
  });

  it('cairn da put --archive gives the root of a file that cairn get reads, and cairn da status has it', async () => {
    ({ indexerUrl } = stack.use(await startStorageLane(on())));
    // One account pays for certificates and for copies.
    await on().restartDisperser(['--archive-indexer-url', indexerUrl]);
    const path = join(on().dir, 'blob.bin');
    const put = await run('put', path, '--disperser', disperser(), '--archive');
    expect(put.code, put.stderr).toBe(0);
    const { archiveRoot, blobKey } = put.json as Record<string, string>;
    expect((await file(archiveRoot!)).equals(readFileSync(path))).toBe(true);
    const status = await run('status', blobKey!, '--disperser', disperser());
    expect(status.json).toMatchObject({ archiveRoot, state: 'FINALIZED' });
  });

  it('survives SIGKILL between the signature and the copy; blobs that go on meanwhile keep their nonces', async () => {
    const { anvil, reader } = on();
    const { privateKey, address } = anvil.accounts[7]!;
    const sender = createTransactionSender({ rpcUrl: anvil.rpcUrl, privateKey });
    await sender.send(depositCall(reader.contracts, sender.address, 10n ** 15n));
    const account = createBlobAccount(privateKey, await entranceOf(on()));
    const blobs = [91, 92].map((seed) => patternBytes(50_000, seed));
    const keys: Uint8Array[] = [];
    {
      using own = new DisperserClient(disperser());
      for (const data of blobs) {
        const { header, blobKey } = await own.prepare(
          {
            ...{ account: hexToBytes(parseAddress(address)), maxFee: new Uint8Array(0) },
            ...{ data, archive: true },
          },
          settings,
        );
        await own.disperse(blobKey, await account.authorize(decodeHeader(header)), settings);
        keys.push(blobKey);
      }
    }
    await on().disperser.stop('SIGKILL');
    await on().restartDisperser();
    using own = new DisperserClient(disperser());
    let finals = 0;
    for (const [i, key] of keys.entries()) {
      let last: BlobStatus | undefined;
      for await (const status of own.watchStatus(key, settings)) last = status;
      if (last?.state === 'FAILED') {
        expect(last.reason, 'its epoch ended meanwhile').toMatch(/not good any more/);
        continue;
      }
      finals++;
      expect(last, bytesToHex(key)).toMatchObject({ state: 'FINALIZED' });
      expect((await file(last!.archiveRoot!)).equals(blobs[i]!)).toBe(true);
    }
    expect(finals).toBeGreaterThan(0);
  });
}
