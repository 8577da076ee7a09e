import { bytesToHex } from '@cairn/base';
import { EXIT_CODES } from '@cairn/protocol';
import { DisperserClient } from '@cairn/rpc/grpc';
import { disperseThrough } from '@cairn/sdk/da';
import { type ParsedArgs, usage } from '../../args.ts';
import { type DaSession, direct, openPayment } from '../../da-context.ts';
import { formatBytes, printResult } from '../../output.ts';
import { type DaAction, readInput } from './action.ts';
import { archiveLine } from './status.ts';

export const put: DaAction = {
  usage:
    'put FILE [--direct | --disperser HOST:PORT [--trust] [--archive]] [--finalized] [--max-fee WEI]',
  count: [1, 1],
  async run({ session, args, flags, global, signal }) {
    const data = readInput(args[0]!);
    if (data.length === 0) throw usage('a blob has at least one byte');
    const disperser = (flags.disperser as string | undefined) ?? session.devnet?.da?.disperserGrpc;
    const isDirect = flags.direct === true;
    if (isDirect && flags.disperser !== undefined)
      throw usage('--direct and --disperser exclude each other');
    if (isDirect && flags.archive === true)
      throw usage('--archive needs a disperser', 'store the data with cairn put beside it');
    if (isDirect && flags.finalized === true)
      throw usage('--finalized needs a disperser', 'ask cairn da status later instead');
    if (!isDirect && !disperser)
      throw usage('no disperser is known here', 'give --disperser HOST:PORT, or --direct');
    const maxFeeWei = weiFlag(flags, 'max-fee');
    const started = performance.now();
    await using payment = await openPayment(session, data.length, global.threads);
    const done = isDirect
      ? await direct(session, payment, data, { signal, maxFeeWei })
      : await through({ session, payment, data, disperser: disperser!, flags, maxFeeWei, signal });
    const ms = Math.round(performance.now() - started);
    const { key, header, block } = done;
    printResult(
      global.json,
      {
        blobKey: key,
        commitment: header.commitment,
        bytes: data.length,
        state: 'state' in done ? done.state : 'CONFIRMED',
        epoch: header.epoch,
        quorum: header.quorum,
        expiry: header.expiry,
        block,
        lookup: bytesToHex(done.lookup),
        via: isDirect ? 'members' : disperser,
        ...('archiveRoot' in done && flags.archive === true
          ? { archiveRoot: done.archiveRoot ?? null }
          : {}),
        ...('feeWei' in done
          ? { feeWei: done.feeWei, gasUsed: done.gasUsed, sentBytes: done.sentBytes }
          : {}),
        ms,
      },
      [
        key,
        `${formatBytes(data.length)} certified by quorum ${header.quorum} of epoch ${header.epoch}, block ${block}, in ${(ms / 1000).toFixed(1)} s`,
        `kept until ${new Date(header.expiry * 1000).toISOString()}`,
        ...(flags.archive === true && 'archiveRoot' in done
          ? [archiveLine(done.archiveRoot, key)]
          : []),
      ],
    );
    return EXIT_CODES.ok;
  },
};

async function through(input: {
  session: DaSession;
  payment: Awaited<ReturnType<typeof openPayment>>;
  data: Uint8Array;
  disperser: string;
  flags: ParsedArgs['flags'];
  maxFeeWei: bigint | undefined;
  signal: AbortSignal;
}) {
  const { session, payment, data, disperser, flags, maxFeeWei, signal } = input;
  const { reader, kernels, entrance } = session;
  using client = new DisperserClient(disperser);
  const { key, header, state, certificate, archiveRoot } = await disperseThrough(
    { client, reader, kernels, entrance, ...payment },
    data,
    {
      ...{ signal, maxFeeWei, trust: flags.trust === true },
      ...{ finalized: flags.finalized === true, archive: flags.archive === true },
    },
  );
  const { block, lookup } = certificate;
  return { key, header, state, block, lookup, archiveRoot };
}

function weiFlag(flags: ParsedArgs['flags'], name: string): bigint | undefined {
  const value = flags[name] as string | undefined;
  if (value === undefined) return undefined;
  if (!/^\d{1,77}$/.test(value)) throw usage(`--${name} takes wei`);
  return BigInt(value);
}
