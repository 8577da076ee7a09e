// Holds members to the rows they signed for: a bond, an answer or a slash.
import { parseAddress, systemClock, systemRandom } from '@cairn/base';
import { EXIT_CODES } from '@cairn/protocol';
import { type ChallengeResult, challengeMember } from '@cairn/sdk/da';
import { formatEther } from 'viem';
import { usage } from '../../args.ts';
import { confirmedBlob, openPayment, parseKey, placeOf } from '../../da-context.ts';
import { printResult } from '../../output.ts';
import type { DaAction } from './action.ts';

export const challenge: DaAction = {
  usage: 'challenge KEY [--operator ADDRESS]',
  count: [1, 1],
  async run({ session, args, flags, global, signal }) {
    const given = flags.operator as string | undefined;
    const wanted = given === undefined ? undefined : parseAddress(given, '--operator');
    const blob = await confirmedBlob(session, parseKey(args[0]));
    const place = await placeOf(session, blob);
    const signers = place.quorum.members.filter(({ index }) => !blob.absentees.includes(index));
    const operators = wanted ? [wanted] : signers.map(({ operator }) => operator);
    if (operators.length === 0) throw usage('nobody signed for this blob');
    await using payment = await openPayment(session, 0, undefined);
    const deps = {
      ...{ reader: session.reader, sender: payment.sender },
      ...{ clock: systemClock, random: systemRandom },
    };
    const results = await Promise.all(
      operators.map((operator) => challengeMember(deps, place, blob, operator, { signal })),
    );
    const failed = results.filter(({ outcome }) => outcome === 'failed').length;
    printResult(global.json, { blobKey: blob.key, results, failed }, results.map(lineOf));
    return failed === 0 ? EXIT_CODES.ok : EXIT_CODES.notFound;
  },
};

function lineOf(result: ChallengeResult): string {
  const { operator, position } = result;
  return result.outcome === 'answered'
    ? `answered ${operator} proved the row at position ${position}`
    : `failed   ${operator} did not prove the row at position ${position}: ${formatEther(result.slashedWei)} slashed`;
}
