/* Inputs under the three kinds of names OP's alt-DA has for them. */
import { bytesToHex, CodedError, equalBytes } from '@cairn/base';
import type { DaReader } from '@cairn/chain/da';
import { decodeRollupCertificate, encodeRollupCertificate, keccak } from '@cairn/quorum';
import { badRequest } from '../errors.ts';
import type { Inputs } from '../inputs.ts';
import type { NameStore } from '../name-store.ts';
import {
  type CommitmentMode,
  certificateIn,
  encodeZeroGCommitment,
  type OpCommitment,
} from './commitment.ts';

/** op-node passes over longer inputs of keccak mode, so taking one would lose it. */
export const KECCAK_INPUT_BYTES_MAX = 130_672;

export type OpStoreDeps = { inputs: Inputs; names: NameStore; reader: DaReader };
/** Commitments that PUT gives: ours, or 0G's. */
export type OpFormat = 'cairn' | '0g';
export type OpStoreOptions = {
  format: OpFormat;
  /** How long after the expiry of its rows a name is kept; for good when undefined, as blobs are archived then. */
  keepSeconds: number | undefined;
};

export class OpStore {
  readonly #deps: OpStoreDeps;
  readonly #options: OpStoreOptions;

  constructor(deps: OpStoreDeps, options: OpStoreOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /** Bytes of the commitment. */
  async put(input: Uint8Array, mode: CommitmentMode, signal: AbortSignal): Promise<Uint8Array> {
    const { inputs } = this.#deps;
    const isZeroG = this.#options.format === '0g' && mode === 'op';
    const certificate = await inputs.put(input, { signal, isAlone: isZeroG });
    if (!isZeroG) return certificateIn(mode, certificate);
    const { header } = decodeRollupCertificate(certificate);
    const name = encodeZeroGCommitment(header);
    this.#name(name, certificate);
    return name;
  }

  /** Stores an input under its hash. Throws `ROLLUP_REQUEST` when it has another. */
  async putKeccak(input: Uint8Array, commitment: OpCommitment, signal: AbortSignal): Promise<void> {
    const { inputs } = this.#deps;
    if (commitment.kind !== 'keccak')
      throw badRequest('only keccak commitments are known before their input is stored');
    if (input.length > KECCAK_INPUT_BYTES_MAX)
      throw badRequest(`an input of keccak mode has at most ${KECCAK_INPUT_BYTES_MAX} bytes`);
    if (!equalBytes(keccak(input), commitment.hash))
      throw badRequest('the commitment is not the hash of the input');
    this.#name(commitment.bytes, await inputs.put(input, { signal }));
  }

  #name(name: Uint8Array, certificate: Uint8Array): void {
    const { keepSeconds } = this.#options;
    const { expiry } = decodeRollupCertificate(certificate).header;
    const endsAt = keepSeconds === undefined ? undefined : expiry + keepSeconds;
    this.#deps.names.set(name, certificate, endsAt);
  }

  /**
   * Certificate that a commitment stands for. Throws `ROLLUP_UNKNOWN` (not_found) when there certainly is none, `ROLLUP_ENDED`
   * (unavailable) when there was one.
   */
  async certificateOf(commitment: OpCommitment): Promise<Uint8Array> {
    if (commitment.kind === 'certificate') return commitment.bytes;
    const known = this.#deps.names.get(commitment.bytes);
    if (known?.kind === 'known') return known.certificate;
    if (known) throw ended(commitment);
    // A hash is a name of this server alone: what it never stored nobody can find under it.
    if (commitment.kind === 'keccak') throw unknown(commitment);
    const found = await this.#deps.reader.confirmedBlob(commitment);
    if (found.kind === 'found') {
      const { header } = found.lookup;
      return encodeRollupCertificate({ ...found.lookup, offset: 0, length: header.length });
    }
    if (found.isFinal) throw unknown(commitment);
    throw new CodedError({
      code: 'ROLLUP_UNDECIDED',
      kind: 'not_ready',
      message: 'batches of that epoch may still be confirmed: ask again in some blocks',
    });
  }

  /** The input, verified. */
  async get(commitment: OpCommitment, includedAt: number | undefined): Promise<Uint8Array> {
    const input = await this.#deps.inputs.get(await this.certificateOf(commitment), includedAt);
    if (commitment.kind === 'keccak' && !equalBytes(keccak(input), commitment.hash))
      throw new CodedError({
        code: 'ROLLUP_CORRUPT',
        kind: 'corrupt',
        message: `the input stored as ${bytesToHex(commitment.bytes)} has another hash`,
      });
    return input;
  }

  async frame(commitment: OpCommitment, includedAt: number | undefined): Promise<Uint8Array> {
    return this.#deps.inputs.frame(await this.certificateOf(commitment), includedAt);
  }
}

function ended(commitment: OpCommitment): CodedError {
  return new CodedError({
    code: 'ROLLUP_ENDED',
    kind: 'unavailable',
    message: `${bytesToHex(commitment.bytes)} was stored here, its retention is over, and archiving to the storage lane was off`,
  });
}

function unknown(commitment: OpCommitment): CodedError {
  return new CodedError({
    code: 'ROLLUP_UNKNOWN',
    kind: 'not_found',
    message: `no input was ever stored as ${bytesToHex(commitment.bytes)}`,
  });
}
