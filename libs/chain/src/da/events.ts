import { parseAddress, parseHash32, positionFromBigint } from '@cairn/base';
import { parseEventLogs } from 'viem';
import { daChallengesAbi } from '../generated/da-challenges-abi.ts';
import { daEntranceAbi } from '../generated/da-entrance-abi.ts';
import type { DaContracts, DaEvent } from './types.ts';

type RawLog = Parameters<typeof parseEventLogs>[0]['logs'][number];

const ABI = [...daEntranceAbi, ...daChallengesAbi] as const;
const WANTED = [
  'BatchConfirmed',
  'BlobCharged',
  'BlobRejected',
  'Opened',
  'Answered',
  'Failed',
] as const;

/** Events of our two contracts among `logs`, in order; others are passed over. */
export function decodeDaEvents(logs: readonly RawLog[], contracts: DaContracts): DaEvent[] {
  const out: DaEvent[] = [];
  const ours = new Set<string>([contracts.entrance, contracts.challenges]);
  for (const log of parseEventLogs({ abi: ABI, eventName: [...WANTED], logs: logs as RawLog[] })) {
    if (!ours.has(log.address.toLowerCase())) continue;
    const block = positionFromBigint(log.blockNumber ?? -1n);
    switch (log.eventName) {
      case 'BatchConfirmed':
        out.push({
          kind: 'confirmed',
          batchHash: parseHash32(log.args.batchHash),
          epoch: log.args.epoch,
          quorum: log.args.quorum,
          root: parseHash32(log.args.root),
          blobs: log.args.blobs,
          block,
          txHash: parseHash32(log.transactionHash),
        });
        break;
      case 'BlobCharged':
        out.push({
          kind: 'charged',
          blobKey: parseHash32(log.args.blobKey),
          amountWei: log.args.amount,
          block,
        });
        break;
      case 'BlobRejected':
        out.push({
          kind: 'rejected',
          blobKey: parseHash32(log.args.blobKey),
          reason: log.args.reason,
          block,
        });
        break;
      case 'Opened': {
        const { challenge } = log.args;
        out.push({
          kind: 'challenge',
          id: parseHash32(log.args.id),
          operator: parseAddress(log.args.operator),
          blobKey: parseHash32(log.args.blobKey),
          member: challenge.member,
          position: challenge.position,
          openedBlock: positionFromBigint(challenge.openedBlock),
          deadline: positionFromBigint(challenge.deadline),
          bondWei: challenge.bond,
          raw: challenge,
          block,
        });
        break;
      }
      case 'Answered':
        out.push({
          kind: 'answered',
          id: parseHash32(log.args.id),
          paidWei: log.args.paid,
          block,
        });
        break;
      case 'Failed':
        out.push({
          kind: 'failed',
          id: parseHash32(log.args.id),
          slashedWei: log.args.slashed,
          block,
        });
        break;
    }
  }
  return out;
}
