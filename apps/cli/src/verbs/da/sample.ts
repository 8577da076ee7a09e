import { systemRandom } from '@cairn/base';
import { EXIT_CODES } from '@cairn/protocol';
import { sampleBlob } from '@cairn/sdk/da';
import { usage } from '../../args.ts';
import { confirmedBlob, parseKey, placeOf } from '../../da-context.ts';
import { printResult } from '../../output.ts';
import { type DaAction, numberFlag } from './action.ts';

export const sample: DaAction = {
  usage: 'sample KEY [--samples N] [--min-confidence X]',
  count: [1, 1],
  async run({ session, args, flags, global, signal }) {
    const samples = numberFlag(flags, 'samples') ?? 30;
    const wanted = Number((flags['min-confidence'] as string | undefined) ?? '0.999999');
    if (!(wanted > 0 && wanted <= 1)) throw usage('--min-confidence takes a number in (0, 1]');
    const started = performance.now();
    const blob = await confirmedBlob(session, parseKey(args[0]));
    const place = await placeOf(session, blob);
    const { members, kernels, entrance } = session;
    const { good, confidence, bits, failed } = await sampleBlob(
      { members, kernels, entrance, random: systemRandom },
      place,
      blob.header,
      { samples, signal },
    );
    const ms = Math.round(performance.now() - started);
    const isEnough = confidence >= wanted;
    printResult(
      global.json,
      { blobKey: blob.key, samples, good, confidence, bits, wanted, isEnough, failed, ms },
      [
        `${good} of ${samples} random rows came and were right: the blob can be rebuilt with confidence ${confidence} (${bits.toFixed(1)} bits)`,
        ...failed.map(({ row, endpoint, reason }) => `row ${row} of ${endpoint}: ${reason}`),
      ],
    );
    return isEnough ? EXIT_CODES.ok : EXIT_CODES.notFound;
  },
};
