/*
 * DA members that misbehave, as a process of their own: each stands in front of a real node (whose endpoint on chain it is) and
 * breaks what passes through it. Arguments are `fault=host:port` of the real nodes; it prints the endpoints in that order.
 */
import { silentLogger, systemClock } from '@cairn/base';
import { decodeRowsHead, encodeRowsHead, ROWS_PATH } from '@cairn/protocol';
import { GrpcClient, type GrpcContext, GrpcServer, type GrpcService } from '@cairn/rpc/grpc';
import { createHttpTransport, type HttpRoute, HttpServer } from '@cairn/rpc/node';

/**
 * `silent`: takes everything and answers nothing. `slow`: three seconds late. `lies`: stores and signs as it should, and serves
 * changed rows, rows under another index, rows of another blob: one kind of lie for each call, in turn. `missigns`: signs
 * something else.
 */
export type Fault = 'silent' | 'slow' | 'lies' | 'missigns';
const FAULTS: readonly string[] = ['silent', 'slow', 'lies', 'missigns'] satisfies Fault[];

const SERVICE = 'cairn.da.v1.DANode';
const MESSAGE_BYTES_MAX = 16 * 1024 * 1024;
const BODY_BYTES_MAX = 256 * 1024 * 1024;
const TIMEOUT_MS = 60_000;
const SLOW_MS = 3000;

type Row = { index: number; row: Uint8Array; path: Uint8Array };
type Part = { head?: unknown; row?: Row | null };

async function holdBack(fault: Fault, signal: AbortSignal): Promise<void> {
  if (fault === 'slow') await systemClock.sleep(SLOW_MS, signal);
  if (fault === 'silent')
    await new Promise((_, reject) =>
      signal.addEventListener('abort', () => reject(signal.reason), { once: true }),
    );
}

/** Uploads of rows: taken whole, then handed on to the real node. */
function falseRows(fault: Fault, target: string): HttpRoute {
  const transport = createHttpTransport();
  return {
    methods: ['POST'],
    pattern: new RegExp(`^${ROWS_PATH}$`),
    async handle(request, response) {
      const body = await request.body();
      await holdBack(fault, request.signal);
      const { status, body: answer } = await transport(`http://${target}${ROWS_PATH}`, {
        method: 'POST',
        headers: encodeRowsHead(decodeRowsHead(request.headers)),
        body: [body],
        signal: request.signal,
        ...{ timeoutMs: TIMEOUT_MS, maxBytes: MESSAGE_BYTES_MAX },
      });
      response.writeHead(status, { 'content-length': answer.length }).end(answer);
    },
  };
}

function falseMember(fault: Fault, real: GrpcClient): GrpcService {
  /** A right row of every blob that was read, by its key. */
  const seen = new Map<string, Row>();
  let calls = 0;
  const hold = (signal: AbortSignal): Promise<void> => holdBack(fault, signal);
  const liar = (key: string): ((row: Row) => Row) => {
    const kind = calls++ % 3;
    const other = [...seen].find(([blob]) => blob !== key)?.[1];
    return (row) => {
      if (kind === 1) return { ...row, index: row.index ^ 1 };
      if (kind === 2 && other) return { ...other, index: row.index };
      const bytes = new Uint8Array(row.row);
      bytes[0]! ^= 1;
      return { ...row, row: bytes };
    };
  };
  const settings = (signal: AbortSignal) => ({ signal, timeoutMs: TIMEOUT_MS });
  return {
    name: SERVICE,
    methods: {
      async StoreRows(parts: AsyncIterable<unknown>, { signal }: GrpcContext) {
        await hold(signal);
        return real.clientStream('StoreRows', parts, settings(signal));
      },
      async SignBatch(request: { batch: { referenceBlock: number } }, { signal }: GrpcContext) {
        await hold(signal);
        const { batch } = request;
        // One block earlier is a batch that the node signs as gladly.
        const other = { ...batch, referenceBlock: batch.referenceBlock - 1 };
        const asked = fault === 'missigns' ? { ...request, batch: other } : request;
        return real.unary('SignBatch', asked, settings(signal));
      },
      async *GetRows(request: { blobKey: Uint8Array }, { signal }: GrpcContext) {
        await hold(signal);
        const key = Buffer.from(request.blobKey).toString('hex');
        const lieAbout = liar(key);
        for await (const part of real.serverStream<Part>('GetRows', request, settings(signal))) {
          if (part.row) seen.set(key, part.row);
          yield fault === 'lies' && part.row ? { row: lieAbout(part.row) } : part;
        }
      },
      async GetStatus(request: unknown, { signal }: GrpcContext) {
        await hold(signal);
        return real.unary('GetStatus', request, settings(signal));
      },
    },
  };
}

const endpoints: string[] = [];
for (const argument of process.argv.slice(2)) {
  const [fault, target] = argument.split('=');
  if (!fault || !FAULTS.includes(fault) || !target) throw new Error(`not a fault: ${argument}`);
  const real = new GrpcClient(target, SERVICE, { messageBytesMax: MESSAGE_BYTES_MAX });
  const grpc = new GrpcServer(
    { log: silentLogger },
    { messageBytesMax: MESSAGE_BYTES_MAX, services: [falseMember(fault as Fault, real)] },
  );
  const server = new HttpServer(
    { log: silentLogger },
    {
      ...{ host: '127.0.0.1', port: 0, maxBodyBytes: BODY_BYTES_MAX },
      routes: [falseRows(fault as Fault, target)],
      onHttp2: (socket) => grpc.accept(socket),
    },
  );
  await server.start();
  endpoints.push(server.address);
}
console.log(JSON.stringify({ endpoints }));
