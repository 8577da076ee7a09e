// Starts the servers that rollups talk to, against the network that flags or the devnet name. They run in the disperser's program,
// which disperses by itself and pays from the account of --key-file.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EXIT_CODES, PORTS } from '@cairn/protocol';
import { type FlagSpec, usage } from '../../args.ts';
import { cairnHome } from '../../context.ts';
import type { DaAction, DaCall } from './action.ts';

const PROGRAM = fileURLToPath(
  new URL('../../../../../apps/da-disperser/src/main.ts', import.meta.url),
);
/** Flags of the disperser's program that go through as they are. */
const PASSED = [
  ...['op-format', 'nitro-jwt-file', 'nitro-body-bytes', 'nitro-signer', 'archive-key-file'],
  ...['rollup-confirmation-blocks', 'rollup-put-timeout-ms', 'rollup-recency-blocks'],
  ...['rollup-verifier-address', 'metrics-port'],
] as const;

const USAGE =
  'serve [--op-port PORT] [--nitro-port PORT] [--data-dir DIR] [--no-archive] [--read-only]';
export const SERVE_FLAGS: FlagSpec = {
  'op-port': { type: 'string', description: `serve: port of OP alt-DA (default ${PORTS.opAltDa})` },
  'nitro-port': {
    type: 'string',
    description: `serve: port of Nitro's DA provider (default ${PORTS.nitroDa})`,
  },
  'data-dir': { type: 'string', description: 'serve: folder of queue and names' },
  'no-archive': { type: 'boolean', description: 'serve: do not copy blobs to the storage lane' },
  'read-only': { type: 'boolean', description: 'serve: store nothing' },
  'op-format': { type: 'string', description: 'serve: cairn, or 0g for its 50-byte commitments' },
  'nitro-jwt-file': { type: 'string', description: 'serve: file with the secret of tokens' },
  'nitro-body-bytes': { type: 'string', description: 'serve: longest request' },
  'nitro-chunked-store': { type: 'boolean', description: 'serve: take messages in pieces' },
  'nitro-signer': { type: 'string', description: 'serve: who signs pieces' },
  'archive-key-file': { type: 'string', description: 'serve: key that pays for the archive' },
  'rollup-confirmation-blocks': {
    type: 'string',
    description: 'serve: blocks on top of a confirmation before its certificate is given out',
  },
  'rollup-put-timeout-ms': { type: 'string', description: 'serve: how long a put may be held' },
  'rollup-recency-blocks': { type: 'string', description: 'serve: age at which reads refuse' },
  'rollup-verifier-address': {
    type: 'string',
    description: "serve, refuse: the rollup's RollupVerifier (the devnet's, or DAEntrance)",
  },
  'metrics-port': { type: 'string', description: 'serve: port of GET /metrics' },
};

export const serve: DaAction = { usage: USAGE, count: [0, 0], run };

/** Runs until it is interrupted; the exit code of the servers. */
function run({ session, flags, global, signal }: DaCall): Promise<number> {
  const keyFile =
    global.keyFile ?? process.env.CAIRN_KEY_FILE ?? session.devnet?.accounts[1]?.privateKeyFile;
  if (!keyFile) throw usage('serve pays for blobs', 'give --key-file FILE');
  const defaults: Record<string, string | undefined> = {
    'rollup-verifier-address': session.devnet?.contracts.nitroValidator,
  };
  const text = (name: string): string | undefined =>
    (flags[name] as string | undefined) ?? defaults[name];
  const indexer = flags['no-archive'] ? undefined : (global.indexer ?? session.devnet?.indexerUrl);
  if (!indexer && !flags['no-archive'] && !flags['read-only'])
    throw usage(
      'blobs are archived to the storage lane and no indexer is known',
      'give --indexer URL, or --no-archive',
    );
  const { registry, entrance, vault, challenges } = session.reader.contracts;
  const args = [
    ...['--chain-rpc-url', session.rpcUrl, '--key-file', keyFile],
    ...['--registry-address', registry, '--entrance-address', entrance],
    ...['--vault-address', vault, '--challenges-address', challenges],
    ...['--data-dir', text('data-dir') ?? join(cairnHome(), 'rollup')],
    ...['--grpc-port', '0', '--ready-json'],
    ...['--op-port', text('op-port') ?? String(PORTS.opAltDa)],
    ...['--nitro-port', text('nitro-port') ?? String(PORTS.nitroDa)],
    ...(indexer ? ['--archive-indexer-url', indexer] : []),
    ...(flags['read-only'] ? ['--rollup-read-only'] : []),
    ...(flags['nitro-chunked-store'] ? ['--nitro-chunked-store'] : []),
    ...PASSED.flatMap((name) => {
      const value = text(name);
      return value === undefined ? [] : [`--${name}`, value];
    }),
  ];
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--conditions=source', PROGRAM, ...args], {
      stdio: 'inherit',
    });
    signal.addEventListener('abort', () => child.kill('SIGINT'), { once: true });
    child.on('error', reject);
    child.on('exit', (code, died) => resolve(died ? EXIT_CODES.interrupted : (code ?? 1)));
  });
}
