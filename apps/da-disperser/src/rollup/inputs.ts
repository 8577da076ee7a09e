/*
 * What both rollup servers do: store an input and give out its certificate, check a certificate, read the input back. A read
 * checks everything each time: the certificate's form, the contract's verdict on it, every row against the commitment.
 */
import { CodedError, isCodedError } from '@cairn/base';
import { FRAME_HEADER_BYTES, proveRange, RANGE_BYTES_MAX } from '@cairn/erasure';
import {
  decodeRollupCertificate,
  encodeRollupCertificate,
  type RollupCertificate,
} from '@cairn/quorum';
import type { BlobSource } from '../reading/blob-source.ts';
import { DROP, dropError, tooLarge } from './errors.ts';
import type { Packer } from './packer.ts';
import { VERDICT, type Verdicts } from './verdicts.ts';

export type InputsDeps = {
  packer: Packer;
  source: BlobSource;
  verdicts: Verdicts;
};
export type InputsOptions = {
  inputBytesMax: number;
  /** How long a put may be held. */
  putTimeoutMs: number;
  /** A certificate is too old for an inclusion this many blocks after its reference block. */
  recencyWindowBlocks: number;
  isReadOnly: boolean;
};

export class Inputs {
  readonly options: InputsOptions;
  readonly #deps: InputsDeps;

  constructor(deps: InputsDeps, options: InputsOptions) {
    this.#deps = deps;
    this.options = options;
  }

  /**
   * Disperses an input; its certificate once the blob is confirmed. Throws `ROLLUP_TOO_LARGE`, `ROLLUP_READ_ONLY`,
   * `ROLLUP_TIMEOUT`, or what dispersing throws (kinds `unavailable`, `timeout`, `exhausted`).
   */
  async put(
    input: Uint8Array,
    { signal, isAlone }: { signal: AbortSignal; isAlone?: boolean },
  ): Promise<Uint8Array> {
    const { inputBytesMax, putTimeoutMs, isReadOnly } = this.options;
    if (isReadOnly)
      throw new CodedError({
        code: 'ROLLUP_READ_ONLY',
        kind: 'conflict',
        message: 'this server is read-only',
      });
    if (input.length > inputBytesMax) throw tooLarge(input.length, inputBytesMax);
    const timeout = AbortSignal.timeout(putTimeoutMs);
    try {
      const { blob, offset, length } = await this.#deps.packer.put(input, {
        signal: AbortSignal.any([signal, timeout]),
        ...(isAlone === undefined ? {} : { isAlone }),
      });
      return encodeRollupCertificate({ ...blob, offset, length });
    } catch (error) {
      if (!timeout.aborted || signal.aborted) throw error;
      throw new CodedError({
        code: 'ROLLUP_TIMEOUT',
        kind: 'timeout',
        message: `the input was not certified within ${putTimeoutMs} ms`,
        cause: error,
      });
    }
  }

  /**
   * A certificate whose blob is confirmed and paid for. Throws `ROLLUP_CERTIFICATE` when it is not and never will be,
   * `ROLLUP_UNDECIDED` (not_ready) while that is open. `includedAt`: block of the rollup's chain that has it.
   */
  async check(bytes: Uint8Array, includedAt?: number): Promise<RollupCertificate> {
    const certificate = parse(bytes);
    const { referenceBlock } = certificate.batch;
    const last = referenceBlock + this.options.recencyWindowBlocks;
    if (includedAt !== undefined && includedAt > last)
      throw dropError(DROP.tooOld, `included at block ${includedAt}, good until ${last}`);
    const verdict = await this.#deps.verdicts(bytes, certificate);
    if (verdict === VERDICT.confirmed) return certificate;
    if (verdict === VERDICT.undecided)
      throw new CodedError({
        code: 'ROLLUP_UNDECIDED',
        kind: 'not_ready',
        message: 'the batch of this certificate may still be confirmed: ask again in some blocks',
      });
    throw dropError(DROP.invalid, `the contract refuses this certificate (code ${verdict})`);
  }

  /** The input a certificate names (a view: do not write). Throws as `check`, or what reading throws. */
  async get(bytes: Uint8Array, includedAt?: number): Promise<Uint8Array> {
    const certificate = await this.check(bytes, includedAt);
    const { header, offset, length } = certificate;
    const start = FRAME_HEADER_BYTES + offset;
    return (await this.#deps.source.dataRows(header)).subarray(start, start + length);
  }

  /** The whole frame of the certificate's blob: what the rows carry before decoding. */
  async frame(bytes: Uint8Array, includedAt?: number): Promise<Uint8Array> {
    const { header } = await this.check(bytes, includedAt);
    return this.#deps.source.dataRows(header);
  }

  /** Whether a certificate is good; throws only when that is not known now. */
  async isValid(bytes: Uint8Array): Promise<boolean> {
    try {
      await this.check(bytes);
      return true;
    } catch (error) {
      if (isCodedError(error, 'ROLLUP_CERTIFICATE')) return false;
      throw error;
    }
  }

  /** Proof of the up to 32 bytes of an input from `offset` on; empty at and beyond its end. */
  async prove(bytes: Uint8Array, offset: number): Promise<Uint8Array> {
    const certificate = parse(bytes);
    if (offset >= certificate.length) return new Uint8Array(0);
    const start = certificate.offset + offset;
    const end = certificate.offset + Math.min(certificate.length, offset + RANGE_BYTES_MAX);
    return proveRange(await this.#deps.source.encoded(certificate.header), { start, end });
  }
}

function parse(bytes: Uint8Array): RollupCertificate {
  try {
    return decodeRollupCertificate(bytes);
  } catch (error) {
    if (isCodedError(error, 'QUORUM_ROLLUP')) throw dropError(DROP.malformed, error.message);
    throw error;
  }
}
