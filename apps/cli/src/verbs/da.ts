import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { bytesToHex, CodedError, hexToBytes, isCodedError, systemRandom } from '@cairn/base';
import { EXIT_CODES } from '@cairn/protocol';
import { DisperserClient } from '@cairn/rpc/grpc';
import { disperseThrough, retrieveBlob, sampleBlob } from '@cairn/sdk/da';
import { type ParsedArgs, usage } from '../args.ts';
import {
  confirmedBlob,
  type DaSession,
  direct,
  openDa,
  openPayment,
  parseKey,
  placeOf,
} from '../da-context.ts';
import { formatBytes, Progress, printResult } from '../output.ts';
import type { Verb } from '../verb.ts';
import { SERVE_FLAGS, SERVE_USAGE, serve } from './da-serve.ts';

type Call = {
  session: DaSession;
  args: string[];
  flags: ParsedArgs['flags'];
  global: ParsedArgs['global'];
  signal: AbortSignal;
};
type Action = { usage: string; count: [number, number]; run(call: Call): Promise<number> };

const STATUS_TIMEOUT_MS = 5000;
/** What `checkCertificate` answers. */
const VERDICTS: Readonly<Record<number, string>> = { 1: 'confirmed', 2: 'undecided' };
const CONFIRMED = 1;
const UNDECIDED = 2;

const put: Action = {
  usage: 'put FILE [--direct | --disperser HOST:PORT [--trust]] [--finalized] [--max-fee WEI]',
  count: [1, 1],
  async run({ session, args, flags, global, signal }) {
    const data = readInput(args[0]!);
    if (data.length === 0) throw usage('a blob has at least one byte');
    const disperser = (flags.disperser as string | undefined) ?? session.devnet?.da?.disperserGrpc;
    const isDirect = flags.direct === true;
    if (isDirect && flags.disperser !== undefined)
      throw usage('--direct and --disperser exclude each other');
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
        ...('feeWei' in done
          ? { feeWei: done.feeWei, gasUsed: done.gasUsed, sentBytes: done.sentBytes }
          : {}),
        ms,
      },
      [
        key,
        `${formatBytes(data.length)} certified by quorum ${header.quorum} of epoch ${header.epoch}, block ${block}, in ${(ms / 1000).toFixed(1)} s`,
        `kept until ${new Date(header.expiry * 1000).toISOString()}`,
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
  const { key, header, state, certificate } = await disperseThrough(
    { client, reader, kernels, entrance, ...payment },
    data,
    { signal, maxFeeWei, trust: flags.trust === true, finalized: flags.finalized === true },
  );
  return { key, header, state, block: certificate.block, lookup: certificate.lookup };
}

const get: Action = {
  usage: 'get KEY [-o FILE]',
  count: [1, 1],
  async run({ session, args, flags, global, signal }) {
    const output = flags.output as string | undefined;
    if (output === undefined && global.json)
      throw usage('--json needs -o FILE, or the result and the blob would mix');
    if (output !== undefined && existsSync(output) && flags.overwrite !== true)
      throw new CodedError({
        code: 'CLI_EXISTS',
        kind: 'conflict',
        message: `${output} exists`,
        hint: 'remove it, choose another name, or give --overwrite',
      });
    const started = performance.now();
    const blob = await confirmedBlob(session, parseKey(args[0]));
    const place = await placeOf(session, blob);
    const progress = new Progress('get', output === undefined || global.json);
    try {
      const { members, kernels, entrance } = session;
      const { payload, served, dropped } = await retrieveBlob(
        { members, kernels, entrance },
        place,
        blob.header,
        {
          signal,
          onProgress: ({ rows, needed }) =>
            progress.update('rows', rows * blob.header.rowSize, needed * blob.header.rowSize),
        },
      );
      progress.end();
      if (output === undefined) {
        if (!process.stdout.write(payload))
          await new Promise((resolve) => process.stdout.once('drain', resolve));
        return EXIT_CODES.ok;
      }
      writeFileSync(output, payload);
      const ms = Math.round(performance.now() - started);
      printResult(
        global.json,
        {
          ...{ blobKey: blob.key, bytes: payload.length, output, verified: true },
          ...{ served, dropped, ms },
        },
        [
          `${formatBytes(payload.length)} from ${Object.keys(served).length} members to ${output}, every row verified`,
        ],
      );
      return EXIT_CODES.ok;
    } finally {
      progress.end();
    }
  },
};

const status: Action = {
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

const sample: Action = {
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

const verify: Action = {
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

const serveRollups: Action = {
  usage: SERVE_USAGE,
  count: [0, 0],
  run: ({ session, flags, global, signal }) => serve(session, { flags, global }, signal),
};

const ACTIONS: Readonly<Record<string, Action>> = {
  put,
  get,
  status,
  sample,
  verify,
  serve: serveRollups,
};

/** Hex, or a file with hex in it. */
function parseLookup(text: string): Uint8Array {
  const hex = text.startsWith('0x') ? text : new TextDecoder().decode(readInput(text)).trim();
  if (!/^0x([0-9a-fA-F]{2})+$/.test(hex))
    throw usage('--certificate takes hex, or a file with hex, as cairn da put --json prints it');
  return hexToBytes(hex);
}

function readInput(path: string): Uint8Array {
  try {
    return new Uint8Array(readFileSync(path === '-' ? 0 : path));
  } catch (error) {
    throw usage(`cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function numberFlag(flags: ParsedArgs['flags'], name: string): number | undefined {
  const value = flags[name] as string | undefined;
  if (value === undefined) return undefined;
  if (!/^\d{1,15}$/.test(value)) throw usage(`--${name} takes a number`);
  return Number(value);
}

function weiFlag(flags: ParsedArgs['flags'], name: string): bigint | undefined {
  const value = flags[name] as string | undefined;
  if (value === undefined) return undefined;
  if (!/^\d{1,77}$/.test(value)) throw usage(`--${name} takes wei`);
  return BigInt(value);
}

export const da: Verb = {
  name: 'da',
  summary: 'disperse blobs, read, sample and verify them; serve rollups',
  usage: `cairn da ACTION [--entrance ADDRESS --rpc URL]\n\n${Object.values(ACTIONS)
    .map((action) => `  cairn da ${action.usage}`)
    .join('\n')}`,
  flags: {
    entrance: { type: 'string', description: "address of DAEntrance (the devnet's by default)" },
    disperser: { type: 'string', description: 'host:port of a disperser' },
    direct: { type: 'boolean', description: 'disperse to the members without a disperser' },
    trust: {
      type: 'boolean',
      description: "sign the disperser's header without encoding the data here",
    },
    finalized: { type: 'boolean', description: 'wait until the confirmation is final' },
    'max-fee': { type: 'string', description: 'wei that the blob may cost at most' },
    output: {
      type: 'string',
      short: 'o',
      description: 'file to write; standard output without it',
    },
    overwrite: { type: 'boolean', description: 'replace an existing file' },
    samples: { type: 'string', description: 'random rows to ask for (default 30)' },
    'min-confidence': {
      type: 'string',
      description: 'exit with 5 below this confidence (default 0.999999)',
    },
    certificate: { type: 'string', description: 'lookup in hex, or a file with it' },
    ...SERVE_FLAGS,
  },
  async run({ positionals, flags, global }, { signal }) {
    const [name, ...args] = positionals;
    const action = name !== undefined && Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
    if (!action) throw usage('da takes an action', this.usage);
    if (args.length < action.count[0] || args.length > action.count[1])
      throw usage(`cairn da ${action.usage}`);
    await using session = await openDa(global, flags.entrance as string | undefined);
    return action.run({ session, args, flags, global, signal });
  },
};
