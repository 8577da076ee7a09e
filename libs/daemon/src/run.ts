/*
 * The life of a process that serves until it is told to end: read settings, start, say so, wait for a signal, stop in order
 * but not for ever, exit with a code that means something (architecture section 6).
 */
import { flushCompileCache } from 'node:module';
import { CodedError, errorMessage, isCodedError, type Logger } from '@cairn/base';
import { formatConfig, loadConfig } from '@cairn/config';
import { EXIT_CODES } from '@cairn/protocol';
import { createLogger } from '@cairn/telemetry';
import type { z } from 'zod';
import type { daemonSettings } from './settings.ts';

/** What a start gives: something that can be stopped, and that may end by itself. */
export type Running = {
  stop(): Promise<void>;
  /** Resolves when it ends by itself, with the reason when that is a failure. */
  ended?: Promise<CodedError | undefined>;
};

export type DaemonOptions<S extends z.ZodObject<typeof daemonSettings>, R extends Running> = {
  /** In the log, and in front of what goes to standard error. */
  name: string;
  /** `CAIRN_NODE` reads `CAIRN_NODE_RPC_PORT` for `rpcPort`. */
  envPrefix: string;
  schema: S;
  /** The signal aborts when somebody asks for the end; also that of a start that still waits. */
  start: (deps: { log: Logger }, config: z.output<S>, signal: AbortSignal) => Promise<R>;
  /** What the ready line says besides `pid`. */
  ready: (running: R) => Record<string, unknown>;
  /** Codes of errors that the operator's settings cause, besides those of `CONFIG_` and of a port that is taken. */
  usageErrors?: RegExp;
  /** How long an orderly end may take; 8 s by default, less than supervisors give. */
  stopMs?: number;
};

/** Failures of our own code have no code of the architecture page; 1 is what Node itself exits with. */
const EXIT_UNCLEAN = 1;
const STOP_MS = 8000;

/**
 * Runs until SIGINT, SIGTERM, the end of the parent (`--exit-with-parent`) or of the daemon itself; never returns. Exits with
 * 0 after an orderly end, 1 when that took longer than `stopMs` (what was acknowledged is on disk), 2 for what the operator
 * gave, 6 when the daemon ended by a failure, 7 for the disk, 4 for the rest.
 */
export async function runDaemon<S extends z.ZodObject<typeof daemonSettings>, R extends Running>(
  options: DaemonOptions<S, R>,
): Promise<never> {
  try {
    const { config, entries, wants } = loadConfig({
      schema: options.schema,
      argv: process.argv.slice(2),
      env: process.env,
      envPrefix: options.envPrefix,
    });
    if (wants !== 'run') {
      console.log(formatConfig(entries));
      process.exit(EXIT_CODES.ok);
    }
    const { logLevel, logFile, exitWithParent, readyJson } = config;
    const log = createLogger({
      name: options.name.replaceAll(' ', '-'),
      level: logLevel,
      file: logFile,
    });
    const signal = untilAsked(exitWithParent, () => leave(options, log));
    const running = await options.start({ log }, config, signal).catch((error: unknown) => {
      if (signal.aborted) process.exit(EXIT_CODES.ok); // asked to end before it served
      throw error;
    });
    if (readyJson) console.log(JSON.stringify({ ...options.ready(running), pid: process.pid }));
    // Others of the same kind that start after this one need not compile again; without a cache folder nothing happens.
    flushCompileCache();
    const reason = await Promise.race([
      running.ended ?? new Promise<never>(() => {}),
      aborted(signal),
    ]);
    if (!signal.aborted) leave(options, log);
    await running.stop();
    if (reason) {
      log.error({ error: reason.message }, `${options.name} stopped`);
      fail(options.name, reason, EXIT_CODES.verification);
    }
    process.exit(EXIT_CODES.ok);
  } catch (error) {
    fail(options.name, error, exitCodeOf(error, options.usageErrors));
  }
}

/** Aborts at the first request to end; a second one ends the process as it is. */
function untilAsked(exitWithParent: boolean, onAsked: () => void): AbortSignal {
  const abort = new AbortController();
  const quit = (): void => {
    if (abort.signal.aborted) return;
    onAsked();
    abort.abort(new CodedError({ code: 'DAEMON_STOPPED', kind: 'cancelled', message: 'stopped' }));
  };
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      if (abort.signal.aborted && name === 'SIGINT') process.exit(EXIT_CODES.interrupted);
      quit();
    });
  }
  if (exitWithParent) process.stdin.on('end', quit).on('error', quit).resume();
  return abort.signal;
}

/** From here on the process has `stopMs` left. */
function leave(options: { name: string; stopMs?: number }, log: Logger): void {
  const stopMs = options.stopMs ?? STOP_MS;
  setTimeout(() => {
    log.error({ stopMs }, `${options.name} does not stop in time and is ended`);
    process.exit(EXIT_UNCLEAN);
  }, stopMs).unref();
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
}

function exitCodeOf(error: unknown, usageErrors: RegExp | undefined): number {
  const code = isCodedError(error) ? error.code : '';
  if (/^(CONFIG_|HTTP_CANNOT_LISTEN)/.test(code) || usageErrors?.test(code))
    return EXIT_CODES.usage;
  return code.startsWith('STORE_') ? EXIT_CODES.disk : EXIT_CODES.network;
}

function fail(name: string, error: unknown, exitCode: number): never {
  console.error(`${name}: ${errorMessage(error)}`);
  if (isCodedError(error) && error.hint) console.error(error.hint);
  process.exit(exitCode);
}
