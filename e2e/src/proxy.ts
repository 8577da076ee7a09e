// A node that misbehaves: a real HTTP server in front of a real node that spoils what it passes on.
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { systemClock } from '@cairn/base';

export type Fault = 'none' | 'lies' | 'silent' | 'cuts' | 'slow';
export type FaultyNode = AsyncDisposable & {
  url: string;
  set(fault: Fault): void;
  spoiled: number;
};

const readBody = async (message: IncomingMessage): Promise<Buffer> => {
  const parts: Buffer[] = [];
  for await (const part of message) parts.push(part as Buffer);
  return Buffer.concat(parts);
};

/** Passes everything on to `target`, except that answers that carry file bytes meet the fault that is set. */
export async function startFaultyNode(target: string, fault: Fault = 'none'): Promise<FaultyNode> {
  let current = fault;
  const node = { spoiled: 0 };
  const { hostname, port } = new URL(target);
  const handle = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await readBody(incoming);
    const isData =
      incoming.url?.includes('/segments') === true
        ? incoming.method === 'GET'
        : body.includes('zgs_downloadSegment');
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const outgoing = request(
        {
          hostname,
          port,
          path: incoming.url,
          method: incoming.method,
          headers: { ...incoming.headers, host: `${hostname}:${port}` },
        },
        resolve,
      );
      outgoing.on('error', reject).end(body);
    });
    const bytes = await readBody(answer);
    if (isData && current !== 'none') node.spoiled++;
    if (isData && current === 'silent') return; // keeps the connection, says nothing
    if (isData && current === 'slow') await systemClock.sleep(150);
    if (isData && current === 'lies') {
      const at = Math.floor(bytes.length / 2);
      bytes[at] = bytes[at] === 0x41 ? 0x42 : 0x41;
    }
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    if (isData && current === 'cuts') {
      response.write(bytes.subarray(0, Math.floor(bytes.length / 2)));
      response.destroy();
      return;
    }
    response.end(bytes);
  };
  const server = createServer((incoming, response) => {
    handle(incoming, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    set: (next) => {
      current = next;
    },
    get spoiled() {
      return node.spoiled;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
