import { readFileSync } from 'node:fs';
import {
  bytesToHex,
  CodedError,
  type Hash32,
  hexToBytes,
  parseAddress,
  parseHash32,
} from '@cairn/base';
import { DEVNET_STREAM_ID } from '@cairn/protocol';
import { createKv, type Kv, type KvRole, registerStreamMessage } from '@cairn/sdk';
import { privateKeyToAccount } from 'viem/accounts';
import { type ParsedArgs, usage } from '../args.ts';
import { openSession, type Session } from '../context.ts';
import { printResult } from '../output.ts';
import type { Verb } from '../verb.ts';

/** Where an action works: arguments behind its name, the stream, and how to print. */
type Call = {
  kv: Kv;
  session: Session;
  args: string[];
  flags: ParsedArgs['flags'];
  json: boolean;
  signal: AbortSignal;
};
type Action = { usage: string; count: [number, number]; run(call: Call): Promise<void> };

const text = (bytes: Uint8Array): string => {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return bytesToHex(bytes);
  }
};
/** Text as it is, bytes as 0x and hex. */
const bytes = (argument: string): Uint8Array =>
  /^0x([0-9a-fA-F]{2})*$/.test(argument)
    ? hexToBytes(argument)
    : new TextEncoder().encode(argument);

function notFound(key: string): CodedError {
  return new CodedError({
    code: 'SDK_NOT_FOUND',
    kind: 'not_found',
    message: `the stream has no value at ${key}`,
  });
}

function roleOf([role, account, key]: string[]): KvRole {
  const who = parseAddress(account);
  if (role === 'admin' || role === 'writer') return { role, account: who };
  if (role === 'special-writer' && key !== undefined)
    return { role, account: who, key: bytes(key) };
  throw usage('a role is admin, writer, or special-writer with a key');
}

const committed = (call: Call, what: string, txSeq: number, started: number): void => {
  const ms = Math.round(performance.now() - started);
  printResult(call.json, { txSeq, result: 'Commit', streamId: call.kv.streamId, ms }, [
    `${what} (txSeq ${txSeq}, ${(ms / 1000).toFixed(1)} s)`,
  ]);
};

const ACTIONS: Record<string, Action> = {
  get: {
    usage: 'get KEY [--version SEQ]',
    count: [1, 1],
    async run({ kv, args, flags, json, signal }) {
      const version = numberFlag(flags, 'version');
      const found = await kv.entry(bytes(args[0]!), { version, signal });
      if (!found.value) throw notFound(args[0]!);
      const { value } = found;
      if (!json && flags.raw === true) process.stdout.write(value);
      else
        printResult(
          json,
          {
            key: args[0],
            value: text(value),
            base64: Buffer.from(value).toString('base64'),
            size: value.length,
            version: found.version,
          },
          [text(value)],
        );
    },
  },
  set: {
    usage: 'set KEY VALUE|--file FILE',
    count: [1, 2],
    async run(call) {
      const { kv, args, flags } = call;
      const file = flags.file as string | undefined;
      if ((file === undefined) === (args[1] === undefined))
        throw usage('give a value or --file FILE');
      const value = file === undefined ? bytes(args[1]!) : new Uint8Array(readFileSync(file));
      const started = performance.now();
      committed(call, `set ${args[0]}`, await kv.set(bytes(args[0]!), value), started);
    },
  },
  del: {
    usage: 'del KEY',
    count: [1, 1],
    async run(call) {
      const started = performance.now();
      const txSeq = await call.kv.delete(bytes(call.args[0]!));
      committed(call, `deleted ${call.args[0]}`, txSeq, started);
    },
  },
  list: {
    usage: 'list [PREFIX] [--limit N] [--version SEQ]',
    count: [0, 1],
    async run({ kv, args, flags, json, signal }) {
      const prefix = args[0] === undefined ? undefined : bytes(args[0]);
      const limit = numberFlag(flags, 'limit') ?? 100;
      const entries: { key: string; value: string; size: number; version: number }[] = [];
      const options = { prefix, limit, version: numberFlag(flags, 'version'), signal };
      for await (const { key, value, version } of kv.list(options))
        entries.push({ key: text(key), value: text(value), size: value.length, version });
      printResult(
        json,
        { streamId: kv.streamId, entries },
        entries.map(({ key, value, version }) => `${key}\t${value}\t${version}`),
      );
    },
  },
  history: {
    usage: 'history KEY [--limit N]',
    count: [1, 1],
    async run({ kv, args, flags, json, signal }) {
      const versions: { version: number; size: number }[] = [];
      const limit = numberFlag(flags, 'limit') ?? 100;
      for await (const found of kv.history(bytes(args[0]!), { limit, signal }))
        versions.push(found);
      printResult(
        json,
        { key: args[0], versions },
        versions.map(
          ({ version, size }) => `${version}\t${size === 0 ? 'deleted' : `${size} bytes`}`,
        ),
      );
    },
  },
  watch: {
    usage: 'watch [--from SEQ]',
    count: [0, 0],
    async run({ kv, flags, json, signal }) {
      for await (const event of kv.watch({ signal, from: numberFlag(flags, 'from') })) {
        const line =
          event.kind === 'revert'
            ? { revert: event.fromSeq }
            : {
                txSeq: event.txSeq,
                sender: event.sender,
                changes: event.changes.map(({ key, size }) => ({ key: text(key), size })),
              };
        process.stdout.write(
          `${json || event.kind === 'revert' ? JSON.stringify(line) : lineOf(event)}\n`,
        );
      }
    },
  },
  grant: {
    usage: 'grant admin|writer ACCOUNT | grant special-writer ACCOUNT KEY',
    count: [2, 3],
    async run(call) {
      const started = performance.now();
      const txSeq = await call.kv.grant(roleOf(call.args));
      committed(call, `granted ${call.args[0]} to ${call.args[1]}`, txSeq, started);
    },
  },
  revoke: {
    usage: 'revoke writer ACCOUNT | revoke special-writer ACCOUNT KEY',
    count: [2, 3],
    async run(call) {
      const started = performance.now();
      const txSeq = await call.kv.revoke(roleOf(call.args));
      committed(call, `took ${call.args[0]} from ${call.args[1]}`, txSeq, started);
    },
  },
  roles: {
    usage: 'roles ACCOUNT [KEY]',
    count: [1, 2],
    async run({ kv, args, json, signal }) {
      const account = parseAddress(args[0]);
      const [isAdmin, isWriter] = await Promise.all([
        kv.node.isAdmin(account, kv.streamId, { signal }),
        kv.node.isWriterOfStream(account, kv.streamId, { signal }),
      ]);
      const key =
        args[1] === undefined ? undefined : Buffer.from(bytes(args[1])).toString('base64');
      const mayWrite =
        key === undefined
          ? undefined
          : await kv.node.hasWritePermission(account, kv.streamId, key, { signal });
      printResult(json, { account, isAdmin, isWriter, ...(key ? { mayWrite } : {}) }, [
        `admin   ${isAdmin ? 'yes' : 'no'}`,
        `writer  ${isWriter ? 'yes' : 'no'}`,
        ...(key ? [`may write ${args[1]}: ${mayWrite ? 'yes' : 'no'}`] : []),
      ]);
    },
  },
  status: {
    usage: 'status',
    count: [0, 0],
    async run({ kv, json, signal }) {
      const [progress, streams] = await Promise.all([
        kv.node.getReplayProgress({ signal }),
        kv.node.getHoldingStreamIds({ signal }),
      ]);
      printResult(json, { url: kv.node.url, ...progress, streams }, [
        `node     ${kv.node.url}`,
        `applied  every submission below ${progress?.appliedSeq ?? 'unknown'}`,
        ...streams.map((id) => `stream   ${id}`),
      ]);
    },
  },
  'add-stream': {
    usage: 'add-stream --stream ID',
    count: [0, 0],
    async run({ kv, session, json, signal }) {
      const { privateKey, devnet } = session.network;
      if (!privateKey) throw usage('there is no key yet', 'make one with cairn wallet new');
      const account = privateKeyToAccount(privateKey);
      const wallet = parseAddress(account.address);
      const chainId = devnet?.chainId ?? (await chainIdOf(session));
      const signature = await account.signTypedData(
        registerStreamMessage(chainId, wallet, kv.streamId),
      );
      await kv.node.addStream(kv.streamId, wallet, signature, { signal });
      printResult(json, { streamId: kv.streamId, watched: true }, [
        `the node watches ${kv.streamId} from now on`,
      ]);
    },
  },
};

/** Chain id as the first storage node names it. */
async function chainIdOf({ client }: Session): Promise<number> {
  const [node] = await client.directory.writable();
  const status = await node?.client.getStatus();
  if (!status) throw usage('no storage node tells the chain id');
  return status.networkIdentity.chainId;
}

function lineOf(event: {
  txSeq: number;
  changes: readonly { key: Uint8Array; size: number }[];
}): string {
  const changes = event.changes.map(
    ({ key, size }) => `${text(key)}${size === 0 ? ' (deleted)' : ` (${size} bytes)`}`,
  );
  return `${event.txSeq}\t${changes.join(', ')}`;
}

function numberFlag(flags: ParsedArgs['flags'], name: string): number | undefined {
  const value = flags[name] as string | undefined;
  if (value === undefined) return undefined;
  if (!/^\d{1,15}$/.test(value)) throw usage(`--${name} takes a number`);
  return Number(value);
}

function streamFlag(flags: ParsedArgs['flags']): Hash32 {
  const value =
    (flags.stream as string | undefined) ?? process.env.CAIRN_KV_STREAM ?? DEVNET_STREAM_ID;
  // Short names of numbers: f2bd is the devnet's stream.
  const digits = value.replace(/^0x/, '');
  if (!/^[0-9a-fA-F]{1,64}$/.test(digits)) throw usage(`--stream takes up to 64 hex digits`);
  return parseHash32(`0x${digits.padStart(64, '0')}`);
}

export const kv: Verb = {
  name: 'kv',
  summary: 'read and write key-value streams',
  usage: `cairn kv ACTION [--stream ID] [--kv URL]\n\n${Object.values(ACTIONS)
    .map((action) => `  cairn kv ${action.usage}`)
    .join('\n')}`,
  flags: {
    stream: { type: 'string', description: "stream id in hex (default f2bd, the devnet's)" },
    kv: { type: 'string', description: 'URL of a KV node' },
    version: { type: 'string', description: 'read as of this txSeq' },
    limit: { type: 'string', description: 'entries at most (default 100)' },
    from: { type: 'string', description: 'first txSeq to watch' },
    file: { type: 'string', description: 'the value is in this file' },
    raw: { type: 'boolean', description: 'the bytes of the value and nothing else' },
  },
  async run({ positionals, flags, global }, { signal }) {
    const [name, ...args] = positionals;
    const action = name !== undefined && Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
    if (!action) throw usage('kv takes an action', this.usage);
    if (args.length < action.count[0] || args.length > action.count[1])
      throw usage(`cairn kv ${action.usage}`);
    const streamId = streamFlag(flags);
    await using session = await openSession(global);
    const kvUrl = (flags.kv as string | undefined) ?? session.network.devnet?.kvUrl;
    if (!kvUrl)
      throw new CodedError({
        code: 'CLI_NO_NETWORK',
        kind: 'unavailable',
        message: 'no KV node was named and no devnet with one is running here',
        hint: 'give --kv URL, or start a devnet',
      });
    const client = createKv({ kvUrl, streamId, storage: session.client });
    await action.run({ kv: client, session, args, flags, json: global.json, signal });
    return 0;
  },
};
