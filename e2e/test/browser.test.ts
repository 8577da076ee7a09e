import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { REPOSITORY, startIndexer } from '@cairn/testkit';
import { build } from 'esbuild';
import { expect, it } from 'vitest';
import type { PageInput, PageResult } from '../src/browser-page.ts';
import { openChromium } from '../src/chromium.ts';
import { startNetwork } from '../src/network.ts';

const SIZE = 5_000_000;

it('the SDK stores, reads, verifies and encrypts in a browser', async ({ skip }) => {
  const browser = await openChromium();
  if ('reasons' in browser) return skip(`no browser starts: ${browser.reasons.join('; ')}`);
  await using stack = new AsyncDisposableStack();
  stack.use(browser);
  const network = stack.use(
    await startNetwork([
      [0, 1],
      [0, 1],
    ]),
  );
  const indexer = stack.use(await startIndexer(network.nodes.map(({ url }) => url)));
  const bundle = await build({
    entryPoints: [join(REPOSITORY, 'e2e/src/browser-page.ts')],
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2024',
    conditions: ['source', 'browser'],
    logLevel: 'silent',
  });
  const script = bundle.outputFiles[0]!.text;
  const server = createServer((request, response) => {
    const isScript = request.url === '/page.js';
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html');
    response.end(
      isScript ? script : '<!doctype html><script type="module" src="/page.js"></script>',
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  stack.defer(() => new Promise<void>((resolve) => server.close(() => resolve())));

  const page = await browser.context.newPage();
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));
  await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  await page.waitForFunction(() => 'run' in globalThis, undefined, { timeout: 20_000 });
  const input: PageInput = {
    rpcUrl: network.chain.rpcUrl,
    indexerUrl: String(indexer.ready.url),
    privateKey: network.chain.accounts[1]!.privateKey,
    size: SIZE,
  };
  const result = await page.evaluate<PageResult, PageInput>(
    (given) => (globalThis as unknown as { run(input: PageInput): Promise<PageResult> }).run(given),
    input,
  );
  expect(errors).toEqual([]);
  expect(result).toMatchObject({
    backend: 'wasm',
    equal: true,
    equalEncrypted: true,
    bytes: SIZE,
    error: 'SDK_NOT_FOUND',
  });
  expect(result.progress).toBeGreaterThan(1);
  const back = await fetch(`${String(indexer.ready.url)}/file/${result.root}`);
  expect((await back.arrayBuffer()).byteLength).toBe(SIZE);
});
