/*
 * Disperses blobs to a quorum and collects a certificate (design/da-protocol.md sections 3 and 4). Used by whoever disperses:
 * the disperser's process, or an app itself without one.
 *
 * Every member is served side by side. Once members with two thirds of the weight have done their part, the rest get a short
 * grace and are absent after it: one slow or lying member never delays a quorum that has two thirds without it.
 */
import { CodedError, errorMessage, hexToBytes, type Logger, systemClock } from '@cairn/base';
import {
  BlobAssignment,
  type DaEpoch,
  type DaMember,
  type DaQuorum,
  hasCertifyingWeight,
} from '@cairn/chain/da';
import type { EncodedBlob } from '@cairn/erasure';
import {
  type Batch,
  type BlobHeader,
  type Bls,
  buildCertificate,
  type Certificate,
  type CertifyingQuorum,
  type Domain,
  encodeHeader,
  type SignatureShare,
} from '@cairn/quorum';
import type { MemberPool } from './members.ts';

export type DisperseDeps = { members: MemberPool; bls: Bls; entrance: Domain; log: Logger };
export type DisperseOptions = {
  signal?: AbortSignal | undefined;
  /** How long members may take for their rows, default 30 s, and for a signature, default 10 s. */
  storeTimeoutMs?: number | undefined;
  signTimeoutMs?: number | undefined;
  /** How long stragglers are waited for once two thirds are there, default 200 ms. */
  graceMs?: number | undefined;
};
export type Place = { epoch: DaEpoch; quorum: DaQuorum };
export type DispersedBlob = { header: BlobHeader; authorization: Uint8Array; encoded: EncodedBlob };
export type MemberFailure = { member: number; endpoint: string; reason: string };

const STORE_TIMEOUT_MS = 30_000;
const SIGN_TIMEOUT_MS = 10_000;
const GRACE_MS = 200;

export class Disperser {
  readonly #deps: DisperseDeps;

  constructor(deps: DisperseDeps) {
    this.#deps = deps;
  }

  /**
   * Sends every member its rows. Resolves with the members that have them durable: two thirds of the weight or more. Throws
   * `SDK_DA_NOT_ENOUGH_MEMBERS` (unavailable) with what each of the others said.
   */
  async store(
    place: Place,
    blob: DispersedBlob,
    options: DisperseOptions = {},
  ): Promise<{ stored: Set<number>; failed: MemberFailure[]; sentBytes: number }> {
    const { members, entrance } = this.#deps;
    const { quorum } = place;
    const assignment = new BlobAssignment(entrance, place.epoch, quorum, blob.header);
    const header = encodeHeader(blob.header);
    let sentBytes = 0;
    const { done, failed } = await this.#gather(quorum, options, async (member, signal) => {
      const { assigned } = assignment.rowsOf(member);
      const { siblings, rowRoot, rlc } = blob.encoded.shardProof(assigned);
      const { authorization, encoded } = blob;
      const rows = assigned.map((index) => encoded.row(index));
      await members
        .at(member.endpoint)
        .storeRows(
          { header, authorization, member: member.index, rowRoot, rlc, siblings, rows },
          { signal, timeoutMs: options.storeTimeoutMs ?? STORE_TIMEOUT_MS },
        );
      sentBytes += assigned.length * encoded.format.rowBytes;
      return true;
    });
    if (!hasCertifyingWeight(quorum, done.keys()))
      throw notEnough('took the rows', quorum, done, failed);
    return { stored: new Set(done.keys()), failed, sentBytes };
  }

  /**
   * Asks members for their signatures on a batch and builds the certificate. `who` are those that have every blob of it.
   * Throws `SDK_DA_NOT_ENOUGH_MEMBERS`.
   */
  async certify(
    quorum: DaQuorum,
    batch: Batch,
    keys: readonly Uint8Array[],
    who: ReadonlySet<number>,
    options: DisperseOptions = {},
  ): Promise<{ certificate: Certificate; failed: MemberFailure[] }> {
    const { members, bls, entrance, log } = this.#deps;
    const wire = { ...batch, root: hexToBytes(batch.root) };
    const asked = { ...quorum, members: quorum.members.filter(({ index }) => who.has(index)) };
    const { done, failed } = await this.#gather(
      asked,
      options,
      async (member, signal): Promise<SignatureShare> => {
        const { signature } = await members
          .at(member.endpoint)
          .signBatch(wire, keys, { signal, timeoutMs: options.signTimeoutMs ?? SIGN_TIMEOUT_MS });
        return { member: member.index, signature };
      },
    );
    const built = buildCertificate(bls, {
      entrance,
      batch,
      quorum: toCertifying(bls, quorum),
      shares: [...done.values()],
    });
    for (const index of built.bad) {
      const { endpoint } = quorum.members[index]!;
      failed.push({ member: index, endpoint, reason: 'signed something else' });
      log.warn({ member: index, endpoint }, 'a member signed something else');
    }
    if (built.kind === 'certified') return { certificate: built.certificate, failed };
    throw notEnough('signed', quorum, done, failed);
  }

  /** Runs `work` for every member at once; ends when all have, or a grace after two thirds of the weight have. */
  async #gather<T>(
    quorum: DaQuorum,
    options: DisperseOptions,
    work: (member: DaMember, signal: AbortSignal) => Promise<T>,
  ): Promise<{ done: Map<number, T>; failed: MemberFailure[] }> {
    const done = new Map<number, T>();
    const failed: MemberFailure[] = [];
    const stop = new AbortController();
    const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;
    const enough = Promise.withResolvers<void>();
    const weights = new Map(quorum.members.map(({ index, weight }) => [index, weight]));
    const all = Promise.all(
      quorum.members.map(async (member) => {
        try {
          done.set(member.index, await work(member, signal));
          let weight = 0;
          for (const index of done.keys()) weight += weights.get(index) ?? 0;
          if (3 * weight >= 2 * quorum.totalWeight) enough.resolve();
        } catch (error) {
          if (!stop.signal.aborted)
            failed.push({
              member: member.index,
              endpoint: member.endpoint,
              reason: errorMessage(error),
            });
        }
      }),
    );
    const grace = enough.promise.then(() =>
      systemClock.sleep(options.graceMs ?? GRACE_MS, stop.signal).catch(() => {}),
    );
    await Promise.race([all, grace]);
    options.signal?.throwIfAborted();
    for (const { index, endpoint } of quorum.members)
      if (!done.has(index) && !failed.some(({ member }) => member === index))
        failed.push({ member: index, endpoint, reason: 'too slow' });
    stop.abort(new CodedError({ code: 'SDK_DA_TOO_SLOW', kind: 'cancelled', message: 'too slow' }));
    return { done, failed };
  }
}

/** The quorum as the certificate functions want it: compressed keys. */
export function toCertifying(bls: Bls, quorum: DaQuorum): CertifyingQuorum {
  return {
    members: quorum.members.map(({ publicKey, weight }) => ({
      publicKey: bls.publicKeyFromEvm(publicKey),
      weight,
    })),
    weight: quorum.totalWeight,
  };
}

function notEnough(
  what: string,
  quorum: DaQuorum,
  done: ReadonlyMap<number, unknown>,
  failed: readonly MemberFailure[],
): CodedError {
  const first = failed[0];
  return new CodedError({
    code: 'SDK_DA_NOT_ENOUGH_MEMBERS',
    kind: 'unavailable',
    message: `${done.size} of ${quorum.members.length} members ${what}, less than two thirds of the weight${first ? `; ${first.endpoint}: ${first.reason}` : ''}`,
    hint: 'try again when more members answer',
    details: { epoch: quorum.epoch, quorum: quorum.quorum, failed },
  });
}
