// Holds providers to their receipts: a bond, an answer or a slash.
import { CodedError, parseAddress, systemClock } from '@cairn/base';
import { challengeEnd, createTransactionSender, type TransactionSender } from '@cairn/chain';
import {
  type CustodyOutcome,
  type CustodyReader,
  challengeCall,
  createCustodyReader,
  failChallengeCall,
  openedIn,
} from '@cairn/chain/custody';
import { EXIT_CODES, type SignedReceipt } from '@cairn/protocol';
import { formatEther } from 'viem';
import { usage } from '../args.ts';
import { accountKey, custodyContract, readDevnet } from '../context.ts';
import { printResult } from '../output.ts';
import { readReceipts } from '../receipts-file.ts';
import type { Verb } from '../verb.ts';

type Result = {
  provider: string;
  txSeq: number;
  serial: string;
  outcome: CustodyOutcome['kind'];
  bondWei: bigint;
  slashedWei: bigint;
};

export const challenge: Verb = {
  name: 'challenge',
  summary: 'make the providers of receipts prove on chain that they have the data',
  usage: 'cairn challenge RECEIPTS-FILE [--provider ADDRESS]',
  flags: {
    provider: { type: 'string', description: 'only the receipts of this provider' },
  },
  async run({ positionals, flags, global }, { signal }) {
    const [path] = positionals;
    if (positionals.length !== 1 || !path)
      throw usage('challenge takes one file of receipts', this.usage);
    const devnet = global.rpc ? undefined : readDevnet();
    const rpcUrl = global.rpc ?? devnet?.rpcUrl;
    const privateKey = accountKey(global, devnet);
    const custody = custodyContract(global, devnet);
    if (!rpcUrl) throw usage('no chain RPC was given', 'give --rpc URL, or start a devnet');
    if (!privateKey) throw usage('no account was given', 'give --key-file FILE');
    const provider = flags.provider as string | undefined;
    const wanted = provider ? parseAddress(provider, '--provider') : undefined;
    const receipts = readReceipts(path).filter(
      ({ receipt }) => !wanted || receipt.provider === wanted,
    );
    if (receipts.length === 0) throw usage(`${path} has no receipt to challenge`);
    const contract = custody ?? receipts[0]!.contract;
    const foreign = receipts.find((signed) => signed.contract !== contract);
    if (foreign) throw usage(`a receipt is for the contract ${foreign.contract}, not ${contract}`);
    const reader = createCustodyReader({ rpcUrl, contract });
    const sender = createTransactionSender({ rpcUrl, privateKey });
    const results: Result[] = [];
    // One after the other: every open challenge makes the next one against the same provider dearer.
    for (const signed of receipts) results.push(await settle(reader, sender, signed, signal));
    const failed = results.filter(({ outcome }) => outcome === 'failed').length;
    printResult(global.json, { results, failed }, [
      ...results.map(({ provider, txSeq, outcome, slashedWei }) =>
        outcome === 'answered'
          ? `answered ${provider} proved that it has submission ${txSeq}`
          : `failed   ${provider} did not prove submission ${txSeq}: ${formatEther(slashedWei)} slashed`,
      ),
    ]);
    return failed === 0 ? EXIT_CODES.ok : EXIT_CODES.notFound;
  },
};

/** Opens a challenge and waits for its end, which it brings about itself when nobody answers. */
async function settle(
  reader: CustodyReader,
  sender: TransactionSender,
  signed: SignedReceipt,
  signal: AbortSignal,
): Promise<Result> {
  const { provider, txSeq, serial } = signed.receipt;
  const bond = await reader.bondFor(provider);
  // The base fee may rise until the block: what is too much comes back.
  const opened = openedIn(await sender.send(challengeCall(signed, bond + bond / 4n), { signal }));
  if (!opened)
    throw new CodedError({
      code: 'CLI_CHALLENGE',
      kind: 'unavailable',
      message: `the chain took the challenge of ${provider} and opened none`,
    });
  const outcome = await challengeEnd(
    {
      deadline: opened.deadline,
      head: () => reader.head(),
      outcome: () => reader.outcome(opened),
      fail: () => sender.send(failChallengeCall(reader.contract, opened), { signal }),
    },
    { clock: systemClock, signal },
  );
  return {
    ...{ provider, txSeq, serial, bondWei: opened.bond },
    outcome: outcome.kind,
    slashedWei: outcome.kind === 'failed' ? outcome.slashedWei : 0n,
  };
}
