import { usage } from '../args.ts';
import { openDa } from '../da-context.ts';
import type { Verb } from '../verb.ts';
import type { DaAction } from './da/action.ts';
import { challenge } from './da/challenge.ts';
import { get } from './da/get.ts';
import { put } from './da/put.ts';
import { refuse } from './da/refuse.ts';
import { sample } from './da/sample.ts';
import { SERVE_FLAGS, serve } from './da/serve.ts';
import { status } from './da/status.ts';
import { verify } from './da/verify.ts';

const ACTIONS: Readonly<Record<string, DaAction>> = {
  put,
  get,
  status,
  sample,
  verify,
  challenge,
  refuse,
  serve,
};

export const da: Verb = {
  name: 'da',
  summary: 'disperse blobs, read, sample and verify them, challenge members; serve rollups',
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
    archive: {
      type: 'boolean',
      description: 'have the disperser store it in the storage lane too, and wait for the root',
    },
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
    operator: {
      type: 'string',
      description: 'challenge only this member; every signer without it',
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
