import { join } from 'node:path';
import { fileSource, fileStateStore } from '@cairn/sdk/node';
import { usage } from '../args.ts';
import { cairnHome, openSession } from '../context.ts';
import { formatBytes, Progress, printResult } from '../output.ts';
import type { Verb } from '../verb.ts';

export const put: Verb = {
  name: 'put',
  summary: 'store a file',
  usage: 'cairn put FILE [--replicas N] [--force]',
  flags: {
    replicas: {
      type: 'string',
      description: 'nodes that must hold every part (default 2 where there are so many)',
    },
    force: { type: 'boolean', description: 'submit again although the network has the file' },
  },
  async run({ positionals, flags, global }, { signal }) {
    const [path] = positionals;
    if (positionals.length !== 1 || !path) throw usage('put takes one file', this.usage);
    const replicas = flags.replicas === undefined ? undefined : Number(flags.replicas);
    if (replicas !== undefined && !(Number.isInteger(replicas) && replicas >= 1 && replicas <= 64))
      throw usage('--replicas takes a number from 1 to 64');
    await using session = await openSession(global);
    await using source = await fileSource(path, session.pool);
    const progress = new Progress('put', global.json && !process.stderr.isTTY);
    const started = performance.now();
    try {
      const result = await session.client.upload(source, {
        signal,
        replicas,
        skipIfFinalized: flags.force !== true,
        state: fileStateStore(join(cairnHome(), 'uploads')),
        onProgress: ({ phase, bytes, totalBytes }) => progress.update(phase, bytes, totalBytes),
      });
      progress.end();
      const ms = Math.round(performance.now() - started);
      printResult(global.json, { ...result, bytes: result.size, ms }, [
        `stored   ${path} (${formatBytes(result.size)}) in ${(ms / 1000).toFixed(1)} s`,
        `root     ${result.root}`,
        `txSeq    ${result.txSeq}`,
        `nodes    ${result.nodes.join(' ')}`,
        `read it  cairn get ${result.root} -o FILE`,
      ]);
      return 0;
    } finally {
      progress.end();
    }
  },
};
