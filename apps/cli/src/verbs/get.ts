import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { CodedError } from '@cairn/base';
import type { ByteRange, DownloadSink } from '@cairn/sdk';
import { fileSink } from '@cairn/sdk/node';
import { usage } from '../args.ts';
import { openSession } from '../context.ts';
import { formatBytes, Progress, printResult } from '../output.ts';
import type { Verb } from '../verb.ts';

/** `A-B` (both included, as HTTP writes it) as [start, end). */
export function parseByteRange(text: string): ByteRange {
  const match = /^(\d{1,16})-(\d{1,16})$/.exec(text);
  if (!match || Number(match[2]) < Number(match[1]))
    throw usage(`--range takes FIRST-LAST in bytes, got ${text}`);
  return { start: Number(match[1]), end: Number(match[2]) + 1 };
}

/** Writes parts to standard output in order; parts that come early wait, bounded by what is in flight. */
class OrderedOutput implements DownloadSink {
  #next: number;
  readonly #early = new Map<number, Uint8Array>();

  constructor(start: number) {
    this.#next = start;
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    this.#early.set(offset, bytes);
    for (let part = this.#early.get(this.#next); part; part = this.#early.get(this.#next)) {
      this.#early.delete(this.#next);
      this.#next += part.length;
      if (!process.stdout.write(part))
        await new Promise((resolve) => process.stdout.once('drain', resolve));
    }
  }
}

export const get: Verb = {
  name: 'get',
  summary: 'read a file back, every byte verified',
  usage: 'cairn get ROOT [-o FILE] [--range FIRST-LAST]',
  flags: {
    output: {
      type: 'string',
      short: 'o',
      description: 'file to write; standard output without it',
    },
    range: { type: 'string', description: 'bytes FIRST-LAST, both included' },
    overwrite: { type: 'boolean', description: 'replace an existing file' },
  },
  async run({ positionals, flags, global }, { signal }) {
    const [root] = positionals;
    if (positionals.length !== 1 || !root) throw usage('get takes one root', this.usage);
    const output = flags.output as string | undefined;
    if (output === undefined && global.json)
      throw usage('--json needs -o FILE, or the result and the file would mix');
    if (output !== undefined && existsSync(output) && flags.overwrite !== true) {
      throw new CodedError({
        code: 'CLI_EXISTS',
        kind: 'conflict',
        message: `${output} exists`,
        hint: 'remove it, choose another name, or give --overwrite',
      });
    }
    const range = flags.range === undefined ? undefined : parseByteRange(flags.range as string);
    await using session = await openSession(global);
    const progress = new Progress(
      'get',
      output === undefined || (global.json && !process.stderr.isTTY),
    );
    const onProgress = ({ bytes, totalBytes }: { bytes: number; totalBytes: number }): void =>
      progress.update('receive', bytes, totalBytes);
    const started = performance.now();
    try {
      if (output === undefined) {
        await session.client.download(root, new OrderedOutput(range?.start ?? 0), {
          signal,
          range,
          onProgress,
        });
        return 0;
      }
      const partial = `${output}.download`;
      await rm(partial, { force: true });
      const result = await (async () => {
        await using file = await fileSink(partial);
        const origin = range?.start ?? 0;
        const shifted: DownloadSink = {
          write: (offset, bytes) => file.write(offset - origin, bytes),
        };
        const done = await session.client.download(root, shifted, { signal, range, onProgress });
        await file.sync();
        return done;
      })();
      await rename(partial, output);
      progress.end();
      const ms = Math.round(performance.now() - started);
      printResult(global.json, { ...result, output, verified: true, ms }, [
        `got      ${output} (${formatBytes(result.bytes)}, verified) in ${(ms / 1000).toFixed(1)} s`,
        `nodes    ${result.nodes.join(' ')}`,
        ...result.dropped.map(({ url, reason }) => `dropped  ${url}: ${reason}`),
      ]);
      return 0;
    } finally {
      progress.end();
    }
  },
};
