import { CodedError } from '@cairn/base';
import { usage } from '../args.ts';
import { openSession } from '../context.ts';
import { formatBytes, Progress, printResult } from '../output.ts';
import type { Verb } from '../verb.ts';

export const repair: Verb = {
  name: 'repair',
  summary: 'give nodes what they lack of a file, copied or rebuilt with its parity',
  usage: 'cairn repair ROOT',
  flags: {},
  async run({ positionals, global }, { signal }) {
    const [root] = positionals;
    if (positionals.length !== 1 || !root) throw usage('repair takes one root', this.usage);
    await using session = await openSession(global);
    const progress = new Progress('repair', global.json && !process.stderr.isTTY);
    const started = performance.now();
    try {
      const result = await session.client.repair(root, {
        signal,
        onProgress: ({ stripes, totalStripes }) =>
          progress.update('stripes', stripes, totalStripes, String),
      });
      progress.end();
      if (result.failedStripes > 0)
        throw new CodedError({
          code: 'SDK_UNAVAILABLE',
          kind: 'unavailable',
          message: `${result.failedStripes} of ${result.stripes} stripes could not be repaired: too little of them is left`,
          hint: 'start nodes that held them, or put the file again',
          details: result,
        });
      const ms = Math.round(performance.now() - started);
      printResult(global.json, { ...result, ms }, [
        `repaired ${result.root} in ${(ms / 1000).toFixed(1)} s`,
        `rebuilt  ${result.rebuiltSegments} segments, copied ${result.copiedSegments}`,
        `read     ${formatBytes(result.readBytes)}, sent ${formatBytes(result.sentBytes)}`,
      ]);
      return 0;
    } finally {
      progress.end();
    }
  },
};
