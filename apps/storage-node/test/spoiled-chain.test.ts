// Answers of the chain that a bad line or a bad endpoint spoiled: they cost a retry, never the node or its folder.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { patternBytes } from '@cairn/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  finalized,
  framesOf,
  makeFile,
  seen,
  startTestNetwork,
  type TestNetwork,
} from './harness.ts';

let network: TestNetwork;
beforeAll(async () => {
  network = await startTestNetwork();
});
afterAll(() => network[Symbol.asyncDispose]());

/** An endpoint before the chain's: `rewrite` gets what was asked and what is answered, as text. */
async function startFront(
  rewrite: (request: string, answer: string) => string,
): Promise<{ url: string } & AsyncDisposable> {
  const server = createServer(async (incoming, response) => {
    const parts: Buffer[] = [];
    for await (const part of incoming) parts.push(part as Buffer);
    const body = Buffer.concat(parts).toString();
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(network.chain.rpcUrl, { method: 'POST', headers, body });
    response.writeHead(200, headers).end(rewrite(body, await answer.text()));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const otherDigit = (digit: string): string => (digit === '0' ? '1' : '0');
/** Selector of getFlowRootByTxSeq. */
const FLOW_ROOT = '0x6d7ad0fc';

it.each<[string, (root: string) => (request: string, answer: string) => string]>([
  [
    'the log of a submission',
    (root) => (_, answer) => answer.replaceAll(root, otherDigit(root[0]!) + root.slice(1)),
  ],
  [
    'the root of the flow',
    () => (request, answer) =>
      request.includes(FLOW_ROOT)
        ? answer.replace(
            /("result":"0x[0-9a-f]{63})([0-9a-f])"/,
            (_, rest: string, digit: string) => `${rest}${otherDigit(digit)}"`,
          )
        : answer,
  ],
])('%s that comes wrong twice is asked again', async (what, spoilerFor) => {
  const file = makeFile(patternBytes(300_000, what.length));
  const spoil = spoilerFor(file.tree.submissionNodes[0]!.root.slice(2));
  let left = 2;
  await using front = await startFront((request, answer) => {
    const spoiled = left > 0 ? spoil(request, answer) : answer;
    if (spoiled !== answer) left--;
    return spoiled;
  });
  const node = await network.node({ rpcUrl: front.url });
  let hasEnded = false;
  void node.ended.then(() => {
    hasEnded = true;
  });
  const seq = await network.submit(file);
  await seen(node.client, seq);
  const at = { fileSize: file.bytes.length, txSeq: seq };
  await node.client.uploadFrames(file.tree.root, at, framesOf(file));
  await finalized(node.client, seq);
  expect([left, hasEnded]).toEqual([0, false]);
  await node.stop();
});

it('a root of the flow that stays another ends the node by name, with nothing of it stored', async () => {
  const file = makeFile(patternBytes(1000, 9));
  const root = file.tree.submissionNodes[0]!.root.slice(2);
  await using front = await startFront((_, answer) =>
    answer.replaceAll(root, otherDigit(root[0]!) + root.slice(1)),
  );
  const node = await network.node({ rpcUrl: front.url });
  const seq = await network.submit(file);
  expect(await node.ended).toMatchObject({ code: 'NODE_DIVERGED' });
  expect(await node.client.getFileInfoByTxSeq(seq)).toBeNull();
  await node.stop();
});
