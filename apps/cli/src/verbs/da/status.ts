import { hexToBytes, isCodedError } from '@cairn/base';
import { EXIT_CODES } from '@cairn/protocol';
import { DisperserClient } from '@cairn/rpc/grpc';
import { confirmedBlob, parseKey } from '../../da-context.ts';
import { formatBytes, printResult } from '../../output.ts';
import type { DaAction } from './action.ts';

const STATUS_TIMEOUT_MS = 5000;

export const status: DaAction = {
  usage: 'status KEY [--disperser HOST:PORT]',
  count: [1, 1],
  async run({ session, args, flags, global, signal }) {
    const key = parseKey(args[0]);
    const { reader } = session;
    const disperser = (flags.disperser as string | undefined) ?? session.devnet?.da?.disperserGrpc;
    const [blob, told, final] = await Promise.all([
      reader.findBlob(key),
      disperser ? askDisperser(disperser, hexToBytes(key), signal) : undefined,
      reader.finalized(),
    ]);
    if (!blob && !told) await confirmedBlob(session, key); // says that nobody knows it
    const state = blob ? (blob.block <= final ? 'FINALIZED' : 'CONFIRMED') : told!.state;
    const head = await reader.head();
    const left = blob ? blob.header.expiry - head.timestamp : 0;
    printResult(
      global.json,
      {
        ...{ blobKey: key, state },
        ...(told?.reason ? { reason: told.reason } : {}),
        ...(told?.archiveRoot ? { archiveRoot: told.archiveRoot } : {}),
        ...(blob
          ? {
              commitment: blob.header.commitment,
              bytes: blob.header.length,
              account: blob.header.account,
              epoch: blob.header.epoch,
              quorum: blob.header.quorum,
              block: blob.block,
              transaction: blob.txHash,
              expiry: blob.header.expiry,
              expired: left <= 0,
              absentees: blob.absentees,
            }
          : {}),
      },
      [
        `${state}${told?.reason ? `: ${told.reason}` : ''}`,
        ...(blob
          ? [
              `${formatBytes(blob.header.length)}, block ${blob.block}, quorum ${blob.header.quorum} of epoch ${blob.header.epoch}, ${blob.absentees.length} members absent`,
              left > 0
                ? `kept for ${left} s more`
                : 'its time is over: members may have dropped it',
            ]
          : []),
        ...(told?.archiveRoot ? [archiveLine(told.archiveRoot, key)] : []),
      ],
    );
    return EXIT_CODES.ok;
  },
};

/** What a disperser says of a blob; nothing when it is away or does not know it. */
async function askDisperser(target: string, key: Uint8Array, signal: AbortSignal) {
  using client = new DisperserClient(target);
  try {
    return await client.getStatus(key, { signal, timeoutMs: STATUS_TIMEOUT_MS });
  } catch (error) {
    signal.throwIfAborted();
    const isAway =
      isCodedError(error) && (error.kind === 'unavailable' || error.kind === 'timeout');
    if (isAway || isCodedError(error, 'DISPERSER_BLOB_UNKNOWN')) return undefined;
    throw error;
  }
}

/** Where the copy in the storage lane is, or will be. */
export function archiveLine(root: string | undefined, key: string): string {
  return root
    ? `archived: cairn get ${root}`
    : `not archived yet: cairn da status ${key} will have the root`;
}
