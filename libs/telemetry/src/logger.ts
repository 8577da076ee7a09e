import { type Clock, type Logger, systemClock } from '@cairn/base';
import { destination, type Logger as Pino, pino } from 'pino';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';
export type LoggerOptions = {
  name: string;
  level?: LogLevel | undefined;
  /** File to append to; standard error by default. */
  file?: string | undefined;
  clock?: Clock | undefined;
};

/** Window in which an equal warning is written once; the next one says how many were held back. */
const REPEAT_WINDOW_MS = 10_000;
const REPEAT_KEYS_MAX = 256;

/** JSON lines by pino behind our interface; equal warnings and errors are rate-limited by their message. */
export function createLogger(options: LoggerOptions): Logger {
  const sink = destination({ dest: options.file ?? 2, sync: false, mkdir: true });
  // A log that cannot be written (full disk, closed pipe) is no reason to stop serving; lines are lost meanwhile.
  sink.on('error', () => {});
  const base = pino(
    {
      name: options.name,
      level: options.level ?? 'info',
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: ['privateKey', '*.privateKey', 'secret', '*.secret'],
    },
    sink,
  );
  return wrap(base, new Repeats(options.clock ?? systemClock));
}

class Repeats {
  readonly #clock: Clock;
  readonly #seen = new Map<string, { since: number; held: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How many equal lines were held back, or undefined when this one must be too. */
  admit(message: string): number | undefined {
    const now = this.#clock.monotonic();
    const entry = this.#seen.get(message);
    if (entry && now - entry.since < REPEAT_WINDOW_MS) {
      entry.held++;
      return undefined;
    }
    if (this.#seen.size >= REPEAT_KEYS_MAX) this.#seen.clear();
    this.#seen.set(message, { since: now, held: 0 });
    return entry?.held ?? 0;
  }
}

function wrap(log: Pino, repeats: Repeats): Logger {
  const limited = (
    level: 'warn' | 'error',
    fields: Record<string, unknown>,
    message: string,
  ): void => {
    const held = repeats.admit(message);
    if (held !== undefined) log[level](held > 0 ? { ...fields, heldBack: held } : fields, message);
  };
  return {
    debug: (fields, message) => log.debug(fields, message),
    info: (fields, message) => log.info(fields, message),
    warn: (fields, message) => limited('warn', fields, message),
    error: (fields, message) => limited('error', fields, message),
    child: (fields) => wrap(log.child(fields), repeats),
  };
}
