import { CodedError, errorMessage, isCodedError } from '@cairn/base';
import { EXIT_CODES } from '@cairn/protocol';

/** Standard output of a verb: one JSON line with `--json`, lines for people without. */
export function printResult(
  json: boolean,
  value: Record<string, unknown>,
  lines: readonly string[],
): void {
  if (json)
    process.stdout.write(
      `${JSON.stringify(value, (_, v: unknown) => (typeof v === 'bigint' ? v.toString() : v))}\n`,
    );
  else process.stdout.write(`${lines.join('\n')}\n`);
}

/** First line: the real cause. Next lines: what to try. With `--json` one object on standard output. */
export function printError(json: boolean, error: unknown): void {
  const coded = isCodedError(error) ? error : undefined;
  if (json) {
    process.stdout.write(
      `${JSON.stringify({ error: { code: coded?.code ?? 'CLI_FAILED', message: errorMessage(error), ...(coded?.hint ? { hint: coded.hint } : {}) } })}\n`,
    );
  } else {
    process.stderr.write(`error: ${errorMessage(error)}\n`);
    if (coded?.hint) process.stderr.write(`  ${coded.hint}\n`);
  }
}

/** Exit code of an error (architecture section 6). */
export function exitCodeOf(error: unknown): number {
  if (!(error instanceof CodedError))
    return error instanceof Error && 'code' in error && error.code === 'ENOSPC'
      ? EXIT_CODES.disk
      : 1;
  if (error.kind === 'cancelled') return EXIT_CODES.interrupted;
  if (
    /^(CLI_USAGE|CLI_KEY_FILE|CONFIG_|BASE_INVALID|SDK_RANGE|SDK_EMPTY|SDK_READ|SDK_EXISTS|SDK_FRAGMENT|SDK_ENCRYPT|SDK_DECRYPT|PROTOCOL_DIRECTORY|CLI_EXISTS|CLI_RECEIPTS|SDK_NO_CUSTODY|SDK_NO_ACCOUNT|SDK_NO_CHAIN|CHAIN_WRONG|SDK_DA_SAMPLES|SDK_DA_TOO_DEAR|SDK_DA_ENDPOINT|SDK_DA_NOT_OBLIGED|DA_NOT_A_MEMBER|ERASURE_PAYLOAD|DISPERSER_LENGTH|DISPERSER_NO_ARCHIVE)/.test(
      error.code,
    )
  )
    return EXIT_CODES.usage;
  if (/^(CHAIN_INSUFFICIENT_FUNDS|DISPERSER_UNFUNDED|DA_UNFUNDED)$/.test(error.code))
    return EXIT_CODES.funds;
  if (/^(SDK_NOT_FOUND|SDK_UNAVAILABLE|SDK_DA_UNAVAILABLE|CHAIN_BLOB_INDIRECT)$/.test(error.code))
    return EXIT_CODES.notFound;
  if (/^(SDK_VERIFICATION|MERKLE_|SDK_DA_LIES|SDK_DA_FALSE)/.test(error.code))
    return EXIT_CODES.verification;
  if (/DISK/.test(error.code)) return EXIT_CODES.disk;
  return EXIT_CODES.network;
}

/** Bytes for people: 1.5 MiB. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return unit === 0 ? `${bytes} B` : `${value.toFixed(value < 10 ? 2 : 1)} ${units[unit]}`;
}

/** A bar on a terminal, a line every few seconds elsewhere; standard error only. */
export class Progress {
  readonly #label: string;
  readonly #isTerminal = process.stderr.isTTY === true;
  readonly #isQuiet: boolean;
  #lastAt = 0;
  #shown = false;

  constructor(label: string, isQuiet: boolean) {
    this.#label = label;
    this.#isQuiet = isQuiet;
  }

  /** `show` writes an amount; bytes by default. */
  update(
    phase: string,
    done: number,
    total: number,
    show: (amount: number) => string = formatBytes,
  ): void {
    if (this.#isQuiet) return;
    const now = performance.now();
    if (now - this.#lastAt < (this.#isTerminal ? 80 : 3000) && done < total) return;
    this.#lastAt = now;
    const share = total === 0 ? 1 : Math.min(1, done / total);
    const text = `${this.#label} ${phase.padEnd(8)} ${(share * 100).toFixed(1).padStart(5)}% ${show(done)} of ${show(total)}`;
    if (!this.#isTerminal) {
      process.stderr.write(`${text}\n`);
      return;
    }
    const filled = Math.round(share * 24);
    process.stderr.write(`\r\x1b[K${text} [${'#'.repeat(filled)}${'.'.repeat(24 - filled)}]`);
    this.#shown = true;
  }

  end(): void {
    if (this.#shown) process.stderr.write('\r\x1b[K');
  }
}
