// A client of Nitro's external DA provider over HTTP or WebSocket, written from spec/rollup-interfaces.md section 3 alone: what
// nitro's daclient does.
import { createHmac } from 'node:crypto';
import { concatBytes } from '@cairn/base';
import { keccak } from '@cairn/quorum';
import { WebSocket } from 'ws';

export const hex = (bytes: Uint8Array): string => `0x${Buffer.from(bytes).toString('hex')}`;
export const quantity = (value: number | bigint): string => `0x${value.toString(16)}`;
export const fromHex = (text: string): Uint8Array =>
  new Uint8Array(Buffer.from(text.slice(2), 'hex'));
const fromBase64 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'));

/** A batch as the sequencer inbox has it: five big-endian uint64, then the certificate. */
export function sequencerMessage(certificate: Uint8Array): Uint8Array {
  const out = new Uint8Array(40 + certificate.length);
  const view = new DataView(out.buffer);
  for (const [i, value] of [1n, 2n, 3n, 4n, 5n].entries()) view.setBigUint64(8 * i, value);
  out.set(certificate, 40);
  return out;
}

/** A token as geth's clients make it. */
export function token(secret: Uint8Array, iat: number = Math.floor(Date.now() / 1000)): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ iat })}`;
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
}

type Answer = { id: number; result?: unknown; error?: { message: string } };

/** One connection for all calls, as geth's client keeps it; answers come in any order. */
class Socket {
  readonly #socket: WebSocket;
  readonly #open: Promise<void>;
  readonly #waiting = new Map<number, PromiseWithResolvers<Answer>>();
  /** Why there is no connection any more. */
  #end: Error | undefined;

  constructor(url: string, headers: Record<string, string>) {
    this.#socket = new WebSocket(url, { headers });
    const opened = Promise.withResolvers<void>();
    this.#open = opened.promise;
    this.#socket.on('open', () => opened.resolve());
    this.#socket.on('error', (error) => {
      this.#end ??= error;
    });
    this.#socket.on('close', (code) => {
      this.#end ??= new Error(`closed with ${code}`);
      opened.resolve();
      for (const { reject } of this.#waiting.values()) reject(this.#end);
      this.#waiting.clear();
    });
    this.#socket.on('message', (data) => {
      const answer = JSON.parse(String(data)) as Answer;
      this.#waiting.get(answer.id)?.resolve(answer);
      this.#waiting.delete(answer.id);
    });
  }

  async send(id: number, request: string): Promise<Answer> {
    await this.#open;
    if (this.#end) throw this.#end;
    const answer = Promise.withResolvers<Answer>();
    this.#waiting.set(id, answer);
    this.#socket.send(request);
    return answer.promise;
  }

  /** Sends a message that is no text, and waits for what comes of it. */
  async sendBinary(bytes: Uint8Array): Promise<void> {
    await this.#open;
    this.#socket.send(bytes);
    await new Promise((resolve) => this.#socket.once('close', resolve));
  }

  close(): void {
    this.#socket.terminate();
  }
}

export class NitroClient implements Disposable {
  readonly url: string;
  readonly #secret: Uint8Array | undefined;
  #socket: Socket | undefined;
  #id = 0;

  constructor(url: string, secret?: Uint8Array) {
    this.url = url;
    this.#secret = secret;
  }

  /** The result of a call. Throws an `Error` with the message of the answer's error. */
  async call<T>(method: string, ...params: unknown[]): Promise<T> {
    const id = ++this.#id;
    const request = JSON.stringify({ jsonrpc: '2.0', id, method: `daprovider_${method}`, params });
    const answer = this.url.startsWith('ws')
      ? await this.#connection().send(id, request)
      : await this.#post(request);
    if (answer.error) throw new Error(answer.error.message);
    return answer.result as T;
  }

  /** Over WebSocket only. */
  sendBinary(bytes: Uint8Array): Promise<void> {
    return this.#connection().sendBinary(bytes);
  }

  [Symbol.dispose](): void {
    this.#socket?.close();
  }

  #connection(): Socket {
    this.#socket ??= new Socket(this.url, this.#authorization());
    return this.#socket;
  }

  #authorization(): Record<string, string> {
    return this.#secret ? { authorization: `Bearer ${token(this.#secret)}` } : {};
  }

  async #post(body: string): Promise<Answer> {
    const headers = { 'content-type': 'application/json', ...this.#authorization() };
    const response = await fetch(this.url, { method: 'POST', headers, body });
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    return (await response.json()) as Answer;
  }

  async maxMessageSize(): Promise<number> {
    return (await this.call<{ maxSize: number }>('getMaxMessageSize')).maxSize;
  }

  async store(message: Uint8Array, timeout: number | bigint = 0): Promise<Uint8Array> {
    const result = await this.call<{ 'serialized-da-cert': string }>(
      'store',
      hex(message),
      quantity(timeout),
    );
    return fromHex(result['serialized-da-cert']);
  }

  async recoverPayload(certificate: Uint8Array): Promise<Uint8Array> {
    const { Payload } = await this.call<{ Payload: string }>(
      'recoverPayload',
      ...this.#batch(certificate),
    );
    return fromBase64(Payload);
  }

  async collectPreimages(certificate: Uint8Array): Promise<Record<string, Record<string, string>>> {
    return (
      await this.call<{ Preimages: Record<string, Record<string, string>> }>(
        'collectPreimages',
        ...this.#batch(certificate),
      )
    ).Preimages;
  }

  async recoverPayloadAndPreimages(certificate: Uint8Array): Promise<unknown> {
    return this.call('recoverPayloadAndPreimages', ...this.#batch(certificate));
  }

  /** The message in pieces; "signatures" are the hashes of what is sent. */
  async storeInPieces(message: Uint8Array, pieceBytes: number): Promise<Uint8Array> {
    const signed = (data: Uint8Array, ...numbers: (number | bigint)[]): string => {
      const extras = new DataView(new ArrayBuffer(8 * numbers.length));
      for (const [i, number] of numbers.entries()) extras.setBigUint64(8 * i, BigInt(number));
      return hex(keccak(concatBytes(data, new Uint8Array(extras.buffer))));
    };
    const none = new Uint8Array(0);
    const count = Math.ceil(message.length / pieceBytes);
    const start = [Math.floor(Date.now() / 1000), count, pieceBytes, message.length, 0];
    const { BatchId } = await this.call<{ BatchId: string }>(
      'startChunkedStore',
      ...start.map(quantity),
      signed(none, ...start),
    );
    const id = BigInt(BatchId);
    await Promise.all(
      Array.from({ length: count }, (_, i) => {
        const piece = message.subarray(i * pieceBytes, (i + 1) * pieceBytes);
        return this.call('sendChunk', BatchId, quantity(i), hex(piece), signed(piece, id, i));
      }),
    );
    const result = await this.call<{ 'serialized-da-cert': string }>(
      'commitChunkedStore',
      BatchId,
      signed(none, id),
    );
    return fromHex(result['serialized-da-cert']);
  }

  async readPreimageProof(offset: number, certificate: Uint8Array): Promise<Uint8Array> {
    const { proof } = await this.call<{ proof: string }>(
      'generateReadPreimageProof',
      quantity(offset),
      hex(certificate),
    );
    return fromHex(proof);
  }

  async validityProof(certificate: Uint8Array): Promise<Uint8Array> {
    const { proof } = await this.call<{ proof: string }>(
      'generateCertificateValidityProof',
      hex(certificate),
    );
    return fromHex(proof);
  }

  #batch(certificate: Uint8Array): [string, string, string] {
    return [quantity(7), `0x${'11'.repeat(32)}`, hex(sequencerMessage(certificate))];
  }
}

/** What Nitro's proof enhancer puts in front of a provider's proof. */
export function enhanced(certificate: Uint8Array, proof: Uint8Array): Uint8Array {
  const out = new Uint8Array(8 + certificate.length + proof.length);
  new DataView(out.buffer).setBigUint64(0, BigInt(certificate.length));
  out.set(certificate, 8);
  out.set(proof, 8 + certificate.length);
  return out;
}
