// Bounded reading and writing of little-endian messages. The reader refuses what is short, long or out of range with
// `P2P_MALFORMED`, so a decoder needs no checks of its own beyond meaning.
import { bytesToHash32, type Hash32, hexToBytes } from '@cairn/base';
import { malformed } from '../errors.ts';

export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  /** Refuses values above 2^53 - 1. */
  u64(): number {
    const at = this.#take(8);
    const value =
      this.#view.getUint32(at, true) + this.#view.getUint32(at + 4, true) * 4_294_967_296;
    if (!Number.isSafeInteger(value)) throw malformed('a number above 2^53');
    return value;
  }

  /** A view. */
  bytes(length: number): Uint8Array {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  hash32(): Hash32 {
    return bytesToHash32(this.bytes(32));
  }

  /** Printable ASCII of at most 255 bytes, length first. */
  text(): string {
    const bytes = this.bytes(this.u8());
    for (const byte of bytes)
      if (byte < 33 || byte > 126) throw malformed('text that is not ASCII');
    return String.fromCharCode(...bytes);
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  /** Refuses bytes after the end of the message. */
  end(): void {
    if (this.left !== 0) throw malformed(`${this.left} bytes too many`);
  }

  #take(length: number): number {
    if (this.left < length) throw malformed('it ends too early');
    const at = this.#at;
    this.#at += length;
    return at;
  }
}

export class ByteWriter {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  /** `length` is exact. */
  constructor(length: number) {
    this.#bytes = new Uint8Array(length);
    this.#view = new DataView(this.#bytes.buffer);
  }

  u8(value: number): this {
    this.#view.setUint8(this.#at, value);
    this.#at += 1;
    return this;
  }

  u16(value: number): this {
    this.#view.setUint16(this.#at, value, true);
    this.#at += 2;
    return this;
  }

  u32(value: number): this {
    this.#view.setUint32(this.#at, value, true);
    this.#at += 4;
    return this;
  }

  u64(value: number): this {
    this.#view.setUint32(this.#at, value % 4_294_967_296, true);
    this.#view.setUint32(this.#at + 4, Math.floor(value / 4_294_967_296), true);
    this.#at += 8;
    return this;
  }

  bytes(value: Uint8Array): this {
    this.#bytes.set(value, this.#at);
    this.#at += value.length;
    return this;
  }

  hash32(value: Hash32): this {
    return this.bytes(hexToBytes(value));
  }

  text(value: string): this {
    this.u8(value.length);
    for (let i = 0; i < value.length; i++) this.u8(value.charCodeAt(i));
    return this;
  }

  done(): Uint8Array {
    return this.#bytes;
  }
}
