// One port for gRPC and uploads of rows: who gets which connection, and what an upload brings, is refused with, or fails by.
import { Agent } from 'node:http';
import { connect } from 'node:net';
import { CodedError, concatBytes, seededRandom, silentLogger } from '@cairn/base';
import { decodeRowsHead, ROWS_PATH, type RowsHead } from '@cairn/protocol';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { GrpcClient, GrpcServer } from '../src/node/grpc/index.ts';
import {
  encodeWireError,
  type HttpRequest,
  HttpServer,
  httpStatusOf,
  type RowsUpload,
  sendText,
  uploadRows,
} from '../src/node/index.ts';

const SETTINGS = { timeoutMs: 10_000 };
const random = seededRandom(1);
let grpc: GrpcServer;
let server: HttpServer;
let agent: Agent;
let handle: (request: HttpRequest, head: RowsHead) => Promise<string>;

const upload = (rows: Uint8Array[]): RowsUpload => ({
  ...{ header: random.bytes(384), authorization: random.bytes(65), member: 3 },
  ...{ rowRoot: random.bytes(32), rlc: random.bytes(160), siblings: random.bytes(64) },
  rows,
});
const send = (one: RowsUpload, settings = SETTINGS) =>
  uploadRows(agent, server.address, one, settings);

beforeEach(async () => {
  grpc = new GrpcServer(
    { log: silentLogger },
    {
      messageBytesMax: 1 << 20,
      services: [
        { name: 'cairn.da.v1.DANode', methods: { GetStatus: async () => ({ chainId: 31337 }) } },
      ],
    },
  );
  server = new HttpServer(
    { log: silentLogger },
    {
      ...{ host: '127.0.0.1', port: 0, maxBodyBytes: 1 << 28 },
      onHttp2: (socket) => grpc.accept(socket),
      routes: [
        {
          methods: ['POST'],
          pattern: new RegExp(`^${ROWS_PATH}$`),
          async handle(request, response) {
            try {
              sendText(response, 200, await handle(request, decodeRowsHead(request.headers)));
            } catch (error) {
              if (!(error instanceof CodedError)) throw error;
              response.setHeader('connection', 'close');
              sendText(response, httpStatusOf(error), encodeWireError(error));
            }
          },
        },
      ],
    },
  );
  await server.start();
  agent = new Agent({ keepAlive: true });
});
afterEach(async () => {
  agent.destroy();
  await grpc.stop(100);
  await server.stop(100);
});

describe('an upload', () => {
  it.each([
    ['short rows', 585, 64],
    ['long rows', 300, 8256],
    ['no rows', 0, 0],
  ])(
    'of %s brings every byte in order, again and again on one connection',
    async (_what, count, bytes) => {
      let body: Uint8Array = new Uint8Array(0);
      handle = async (request) => {
        body = await request.body();
        return '{"known":false}';
      };
      for (let round = 0; round < 3; round++) {
        // On shared memory, where encoded rows are.
        const all = new Uint8Array(new SharedArrayBuffer(count * bytes));
        all.set(random.bytes(all.length));
        const rows = Array.from({ length: count }, (_, i) =>
          all.subarray(i * bytes, (i + 1) * bytes),
        );
        const one = upload(rows);
        expect(await send(one)).toBe(false);
        const whole = concatBytes(one.rowRoot, one.rlc, one.siblings, all);
        expect(Buffer.compare(body, whole)).toBe(0);
      }
    },
  );

  it('goes beside gRPC on the same port', async () => {
    handle = async (request) => {
      await request.body();
      return '{"known":true}';
    };
    using client = new GrpcClient(server.address, 'cairn.da.v1.DANode', { messageBytesMax: 1024 });
    const [status, known] = await Promise.all([
      client.unary<{ chainId: number }>('GetStatus', {}, SETTINGS),
      send(upload([random.bytes(100_000)])),
    ]);
    expect(status.chainId).toBe(31337);
    expect(known).toBe(true);
  });

  it('that is refused by its head never sends its body, and says why', async () => {
    const one = upload([random.bytes(5_000_000)]);
    handle = async (request, head) => {
      expect(head).toEqual({
        header: one.header,
        authorization: one.authorization,
        member: 3,
      });
      throw new CodedError({
        code: 'DA_UNFUNDED',
        kind: 'exhausted',
        message: 'cannot pay “this”',
        details: { needed: 2n ** 70n, length: Number(request.headers['content-length']) },
      });
    };
    await expect(send(one)).rejects.toMatchObject({
      code: 'DA_UNFUNDED',
      kind: 'exhausted',
      message: 'cannot pay “this”',
      details: { needed: String(2n ** 70n), length: 5_000_256, target: server.address },
    });
    // The next one on another connection, since that one is in the middle of a request.
    handle = async (request) => {
      await request.body();
      return '{"known":false}';
    };
    expect(await send(upload([random.bytes(10)]))).toBe(false);
  });

  it('that nobody answers ends with the deadline, or the reason of its signal', async () => {
    handle = () => new Promise(() => {});
    const one = upload([random.bytes(1000)]);
    await expect(send(one, { timeoutMs: 50 })).rejects.toMatchObject({ code: 'RPC_TIMEOUT' });
    const stop = new AbortController();
    const sent = uploadRows(agent, server.address, one, { ...SETTINGS, signal: stop.signal });
    const reason = new CodedError({ code: 'TEST', kind: 'cancelled', message: 'enough' });
    stop.abort(reason);
    await expect(sent).rejects.toBe(reason);
  });

  it('whose member goes away in the middle is unreachable', async () => {
    handle = async (request) => {
      const body = request.body();
      body.catch(() => {});
      await server.stop(0);
      await body;
      return '';
    };
    await expect(send(upload([random.bytes(50_000_000)]))).rejects.toMatchObject({
      kind: 'unavailable',
    });
  });

  it.each(['', '{}', '{"known":1}', 'x'.repeat(10_000)])(
    'is not believed when the answer is %j',
    async (answer) => {
      handle = async (request) => {
        await request.body();
        return answer;
      };
      await expect(send(upload([]))).rejects.toThrow(CodedError);
    },
  );
});

describe('a connection', () => {
  const dial = () => {
    const socket = connect(Number(server.address.split(':')[1]), '127.0.0.1');
    onTestFinished(() => {
      socket.destroy();
    });
    return socket;
  };

  it('whose HTTP/2 preface comes byte by byte is served as one', async () => {
    const client = dial();
    const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
    client.setNoDelay(true);
    for (const byte of Buffer.concat([preface, settings])) {
      client.write(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    const first = await new Promise<Buffer>((resolve) => client.once('data', resolve));
    expect(first[3]).toBe(4); // the type of a SETTINGS frame
  });

  it('that says nothing, or speaks HTTP/2, does not keep the server from stopping', async () => {
    const silent = dial();
    using client = new GrpcClient(server.address, 'cairn.da.v1.DANode', { messageBytesMax: 1024 });
    await client.unary('GetStatus', {}, SETTINGS);
    const ended = new Promise((resolve) => silent.once('close', resolve));
    silent.on('error', () => {});
    await server.stop(10);
    await ended;
  });
});
