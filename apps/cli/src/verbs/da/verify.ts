import { bytesToHex, hexToBytes } from '@cairn/base';
import { EXIT_CODES } from '@cairn/protocol';
import { usage } from '../../args.ts';
import { confirmedBlob, parseKey } from '../../da-context.ts';
import { printResult } from '../../output.ts';
import { CONFIRMED, type DaAction, readInput, UNDECIDED } from './action.ts';

const VERDICTS: Readonly<Record<number, string>> = {
  [CONFIRMED]: 'confirmed',
  [UNDECIDED]: 'undecided',
};

export const verify: DaAction = {
  usage: 'verify KEY | verify --certificate LOOKUP',
  count: [0, 1],
  async run({ session, args, flags, global }) {
    const given = flags.certificate as string | undefined;
    if ((given === undefined) === (args[0] === undefined))
      throw usage('verify takes a blob key, or --certificate');
    const lookup =
      given === undefined
        ? (await confirmedBlob(session, parseKey(args[0]))).lookup
        : parseLookup(given);
    const verdict = await session.reader.checkCertificate(lookup);
    const meaning = VERDICTS[verdict] ?? 'invalid';
    printResult(
      global.json,
      { verdict, meaning, contract: session.entrance.contract, lookup: bytesToHex(lookup) },
      [`${meaning} (checkCertificate of ${session.entrance.contract} answers ${verdict})`],
    );
    if (verdict === CONFIRMED) return EXIT_CODES.ok;
    return verdict === UNDECIDED ? EXIT_CODES.notFound : EXIT_CODES.verification;
  },
};

/** Hex, or a file with hex in it. */
function parseLookup(text: string): Uint8Array {
  const hex = text.startsWith('0x') ? text : new TextDecoder().decode(readInput(text)).trim();
  if (!/^0x([0-9a-fA-F]{2})+$/.test(hex))
    throw usage('--certificate takes hex, or a file with hex, as cairn da put --json prints it');
  return hexToBytes(hex);
}
