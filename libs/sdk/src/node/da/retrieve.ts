/*
 * Reads a blob from the members themselves, without a disperser: every row is checked against the commitment before it counts,
 * so any K good rows of any members give the blob that was certified. Members are asked side by side, each for the rows it
 * keeps; one that lies is left at its first bad row, and one that is silent costs nothing but its own rows.
 */
import { CodedError, equalBytes, errorMessage, type Hash32, hexToBytes } from '@cairn/base';
import { BlobAssignment, type DaEpoch, type DaMember, type DaQuorum } from '@cairn/chain/da';
import {
  BlobReader,
  type OpenCommitment,
  openCommitment,
  parseBlobFormat,
  readCertifiedFrame,
} from '@cairn/erasure';
import type { Kernels } from '@cairn/kernels';
import { type BlobHeader, blobKey, type Domain } from '@cairn/quorum';
import type { MemberPool } from './members.ts';

export type RetrieveDeps = { members: MemberPool; kernels: Kernels; entrance: Domain };
export type RetrieveOptions = {
  signal?: AbortSignal | undefined;
  /** How long one member may take for all its rows, default 30 s. */
  timeoutMs?: number | undefined;
  onProgress?: ((progress: { rows: number; needed: number }) => void) | undefined;
};
export type Retrieved = {
  /** A view of `dataRows`; empty when they are no frame. */
  payload: Uint8Array;
  /** All data rows of the blob. */
  dataRows: Uint8Array;
  /** Rows each member gave, by endpoint, and those that failed with the reason. */
  served: Record<string, number>;
  dropped: { endpoint: string; reason: string; lied: boolean }[];
};

const TIMEOUT_MS = 30_000;

/** Throws `SDK_DA_UNAVAILABLE` when fewer than K good rows can be had, `SDK_DA_LIES` when all that came was bad. */
export async function retrieveBlob(
  deps: RetrieveDeps,
  place: { epoch: DaEpoch; quorum: DaQuorum },
  header: BlobHeader,
  options: RetrieveOptions = {},
): Promise<Retrieved> {
  const { members, kernels, entrance } = deps;
  const format = parseBlobFormat({ ...header, rowBytes: header.rowSize });
  const commitment = hexToBytes(header.commitment);
  const key = blobKey(entrance, header);
  const assignment = new BlobAssignment(entrance, place.epoch, place.quorum, header);
  const served: Record<string, number> = {};
  const dropped: Retrieved['dropped'] = [];
  const stop = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;
  let open: OpenCommitment | undefined;
  let reader: BlobReader | undefined;
  const needed = format.shape.dataRows;

  const take = async (member: DaMember): Promise<void> => {
    const { custody } = assignment.rowsOf(member);
    const wanted = custody.filter((row) => !reader?.has(row));
    const settings = { signal, timeoutMs: options.timeoutMs ?? TIMEOUT_MS };
    const request = { blobKey: hexToBytes(key), indices: wanted, withoutRlc: open !== undefined };
    for await (const part of members.at(member.endpoint).getRows(request, settings)) {
      if ('head' in part) {
        open ??= openCommitment(kernels, { format, commitment }, part.head);
        if (!equalBytes(part.head.rowRoot, open.rowRoot))
          throw lie(key, member, 'another row root');
        reader ??= new BlobReader(kernels, open);
        continue;
      }
      if (!reader) throw lie(key, member, 'rows before their head');
      if (!reader.addRow(part.row)) continue;
      served[member.endpoint] = (served[member.endpoint] ?? 0) + 1;
      options.onProgress?.({ rows: needed - reader.missingCount, needed });
      if (reader.missingCount === 0) stop.abort(enough());
    }
  };
  await Promise.all(
    place.quorum.members.map(async (member) => {
      try {
        await take(member);
      } catch (error) {
        if (stop.signal.aborted) return;
        const lied = error instanceof CodedError && /^(ERASURE_|SDK_DA_LIE)/.test(error.code);
        dropped.push({ endpoint: member.endpoint, reason: errorMessage(error), lied });
      }
    }),
  );
  options.signal?.throwIfAborted();
  if (reader && reader.missingCount === 0) {
    const dataRows = reader.dataRows();
    const payload = readCertifiedFrame(format, dataRows, header.length);
    return { payload, dataRows, served, dropped };
  }
  const allLied = dropped.length > 0 && dropped.every(({ lied }) => lied);
  throw new CodedError({
    code: allLied ? 'SDK_DA_LIES' : 'SDK_DA_UNAVAILABLE',
    kind: allLied ? 'corrupt' : 'unavailable',
    message: `${needed - (reader?.missingCount ?? needed)} good rows of the ${needed} needed could be had for blob ${key}`,
    hint: 'try again; a blob is kept until its expiry only',
    details: { blobKey: key, dropped },
  });
}

function lie(key: Hash32, member: DaMember, what: string): CodedError {
  return new CodedError({
    code: 'SDK_DA_LIE',
    kind: 'invalid',
    message: `member ${member.index} gave ${what} for blob ${key}`,
  });
}

function enough(): CodedError {
  return new CodedError({ code: 'SDK_DA_ENOUGH', kind: 'cancelled', message: 'enough rows' });
}
