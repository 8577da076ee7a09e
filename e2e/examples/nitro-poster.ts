/*
 * Posts batches as Nitro's batch poster does: asks for the size before every batch, stores with 15 days of retention, goes to its
 * next writer when told so, makes the batch smaller when told so, stops at any other error. Then reads each back.
 *
 *     node --conditions=source e2e/examples/nitro-poster.ts [URL] [BATCHES] [NEXT_WRITER_URL]
 *
 * NITRO_JWT_FILE names the file with the secret of tokens, where the server wants them.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';

const RETENTION_SECONDS = 15 * 24 * 3600;
const BATCH_BYTES = 300_000;
const [url = 'http://127.0.0.1:9880', batches = '3', next] = process.argv.slice(2);
const secret = process.env.NITRO_JWT_FILE
  ? Buffer.from(readFileSync(process.env.NITRO_JWT_FILE, 'utf8').trim().replace(/^0x/, ''), 'hex')
  : undefined;

function authorization(): Record<string, string> {
  if (!secret) return {};
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ iat: Math.floor(Date.now() / 1000) })}`;
  const signature = createHmac('sha256', secret).update(text).digest('base64url');
  return { authorization: `Bearer ${text}.${signature}` };
}

async function call<T>(writer: string, method: string, ...params: unknown[]): Promise<T> {
  const response = await fetch(writer, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...authorization() },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: `daprovider_${method}`, params }),
  });
  const { result, error } = (await response.json()) as { result: T; error?: { message: string } };
  if (error) throw new Error(error.message);
  return result;
}

type Stored = { message: Uint8Array; certificate: string; writer: string };

/** A batch on the first writer that takes it; undefined when all send it on, which means Ethereum. */
async function store(): Promise<Stored | undefined> {
  const writers = [url, ...(next ? [next] : [])];
  for (let i = 0; i < writers.length; ) {
    const writer = writers[i]!;
    const { maxSize } = await call<{ maxSize: number }>(writer, 'getMaxMessageSize');
    const message = randomBytes(Math.min(maxSize, BATCH_BYTES));
    const until = Math.floor(Date.now() / 1000) + RETENTION_SECONDS;
    const params = [`0x${message.toString('hex')}`, `0x${until.toString(16)}`];
    try {
      const result = await call<Record<string, string>>(writer, 'store', ...params);
      return { message, certificate: result['serialized-da-cert']!, writer };
    } catch (error) {
      const text = String(error);
      if (text.includes('DA provider requests fallback to next writer')) i++;
      else if (!text.includes('message too large for current DA backend')) throw error;
    }
  }
  return undefined;
}

let verified = 0;
let onDa = 0;
for (let i = 0; i < Number(batches); i++) {
  const stored = await store();
  if (!stored) continue;
  onDa++;
  const sequencerMessage = `0x${'00'.repeat(40)}${stored.certificate.slice(2)}`;
  const { Payload } = await call<{ Payload: string }>(
    stored.writer,
    'recoverPayload',
    '0x1',
    `0x${'00'.repeat(32)}`,
    sequencerMessage,
  );
  if (Buffer.from(Payload, 'base64').equals(stored.message)) verified++;
}
console.log(JSON.stringify({ batches: Number(batches), onDa, verified }));
process.exit(verified === onDa ? 0 : 1);
