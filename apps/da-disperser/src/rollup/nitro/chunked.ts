/*
 * Messages that come in pieces, for clients whose batch does not fit one HTTP body (Nitro's data streaming;
 * spec/rollup-interfaces.md section 3). The rules are theirs: at most 10 messages at once, dropped after a minute of silence; a
 * start whose time is more than 5 minutes off, or that was seen before, is refused; every piece but the last has the announced
 * size; the same piece twice is fine, another one in its place ends the message; committing an incomplete message drops it.
 *
 * Each call is signed over keccak256(data || its numbers as big-endian uint64): who may sign is the `verify` that is injected.
 */
import { type Clock, CodedError, concatBytes, equalBytes, type RandomSource } from '@cairn/base';
import { keccak } from '@cairn/quorum';
import { tooLarge } from '../errors.ts';

const PENDING_MAX = 10;
const IDLE_MS = 60_000;
const SKEW_SECONDS = 300;
/** Starts remembered against replay; older ones fail by their time. */
const SEEN_MAX = 4096;

/** Whether `signature` is good for the 32-byte `hash`. */
export type VerifySignature = (hash: Uint8Array, signature: Uint8Array) => Promise<boolean>;
export type ChunkedStart = {
  timestamp: bigint;
  pieceCount: number;
  pieceBytes: number;
  totalBytes: number;
  timeout: bigint;
};
type Pending = {
  start: ChunkedStart;
  pieces: (Uint8Array | undefined)[];
  missing: number;
  lastUsedMs: number;
};

export class ChunkedReceiver {
  readonly #deps: { clock: Clock; random: RandomSource; verify: VerifySignature };
  readonly #totalBytesMax: number;
  readonly #pending = new Map<bigint, Pending>();
  /** Hashes of starts, oldest first. */
  readonly #seen = new Set<string>();

  constructor(
    deps: { clock: Clock; random: RandomSource; verify: VerifySignature },
    options: { totalBytesMax: number },
  ) {
    this.#deps = deps;
    this.#totalBytesMax = options.totalBytesMax;
  }

  /** Id of a new message. Throws `ROLLUP_TOO_LARGE`, `ROLLUP_CHUNKED` (invalid), `ROLLUP_CHUNKED_BUSY` (exhausted). */
  async start(start: ChunkedStart, signature: Uint8Array): Promise<bigint> {
    const { timestamp, pieceCount, pieceBytes, totalBytes, timeout } = start;
    const numbers = [timestamp, pieceCount, pieceBytes, totalBytes, timeout];
    const hash = await this.#checkSignature(new Uint8Array(0), numbers, signature);
    if (pieceCount < 1 || pieceBytes < 1 || totalBytes < 1)
      throw refuse('the numbers of pieces and bytes must be positive');
    if (totalBytes > this.#totalBytesMax) throw tooLarge(totalBytes, this.#totalBytesMax);
    if (Math.ceil(totalBytes / pieceBytes) !== pieceCount)
      throw refuse(`${totalBytes} bytes are not ${pieceCount} pieces of ${pieceBytes}`);
    const nowMs = this.#deps.clock.now();
    const offSeconds = Math.abs(Number(timestamp) - nowMs / 1000);
    if (offSeconds > SKEW_SECONDS) throw refuse('the timestamp is too far from now');
    const seen = Buffer.from(hash).toString('hex');
    if (this.#seen.has(seen)) throw refuse('this message was started before');
    this.#dropIdle(nowMs);
    if (this.#pending.size >= PENDING_MAX)
      throw new CodedError({
        code: 'ROLLUP_CHUNKED_BUSY',
        kind: 'exhausted',
        message: `${PENDING_MAX} messages are being received already`,
      });
    this.#seen.add(seen);
    if (this.#seen.size > SEEN_MAX) this.#seen.delete(this.#seen.values().next().value!);
    const id = new DataView(this.#deps.random.bytes(8).buffer).getBigUint64(0);
    const pieces = Array.from<undefined>({ length: pieceCount });
    this.#pending.set(id, { start, pieces, missing: pieceCount, lastUsedMs: nowMs });
    return id;
  }

  /** Takes piece `index`. Throws `ROLLUP_CHUNKED`. */
  async add(id: bigint, index: number, data: Uint8Array, signature: Uint8Array): Promise<void> {
    await this.#checkSignature(data, [id, index], signature);
    const message = this.#at(id);
    const { pieceCount, pieceBytes, totalBytes } = message.start;
    if (index >= pieceCount) throw refuse(`there is no piece ${index} of ${pieceCount}`);
    const expected = index < pieceCount - 1 ? pieceBytes : ((totalBytes - 1) % pieceBytes) + 1;
    if (data.length !== expected)
      throw refuse(`piece ${index} has ${data.length} bytes instead of ${expected}`);
    const known = message.pieces[index];
    if (known && !equalBytes(known, data)) {
      this.#pending.delete(id);
      throw refuse(`piece ${index} came twice with different bytes: the message is dropped`);
    }
    if (known) return;
    message.pieces[index] = data;
    message.missing--;
  }

  /** The whole message, which is forgotten here. Throws `ROLLUP_CHUNKED`, also when pieces are missing. */
  async commit(
    id: bigint,
    signature: Uint8Array,
  ): Promise<{ message: Uint8Array; timeout: bigint }> {
    await this.#checkSignature(new Uint8Array(0), [id], signature);
    const { pieces, missing, start } = this.#at(id);
    this.#pending.delete(id);
    if (missing > 0) throw refuse(`${missing} pieces are missing: the message is dropped`);
    return { message: concatBytes(...(pieces as Uint8Array[])), timeout: start.timeout };
  }

  #at(id: bigint): Pending {
    const nowMs = this.#deps.clock.now();
    this.#dropIdle(nowMs);
    const message = this.#pending.get(id);
    if (!message) throw refuse('no such message, or it was silent for too long');
    message.lastUsedMs = nowMs;
    return message;
  }

  #dropIdle(nowMs: number): void {
    for (const [id, { lastUsedMs }] of this.#pending)
      if (nowMs - lastUsedMs > IDLE_MS) this.#pending.delete(id);
  }

  async #checkSignature(
    data: Uint8Array,
    numbers: readonly (number | bigint)[],
    signature: Uint8Array,
  ): Promise<Uint8Array> {
    const extras = new Uint8Array(8 * numbers.length);
    const view = new DataView(extras.buffer);
    for (const [i, number] of numbers.entries()) view.setBigUint64(8 * i, BigInt(number));
    const hash = keccak(concatBytes(data, extras));
    if (!(await this.#deps.verify(hash, signature))) throw refuse('the signature is not valid');
    return hash;
  }
}

function refuse(message: string): CodedError {
  return new CodedError({ code: 'ROLLUP_CHUNKED', kind: 'invalid', message });
}
