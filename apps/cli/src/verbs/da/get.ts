import { existsSync, writeFileSync } from 'node:fs';
import { CodedError } from '@cairn/base';
import { EXIT_CODES } from '@cairn/protocol';
import { retrieveBlob } from '@cairn/sdk/da';
import { usage } from '../../args.ts';
import { confirmedBlob, parseKey, placeOf } from '../../da-context.ts';
import { formatBytes, Progress, printResult } from '../../output.ts';
import type { DaAction } from './action.ts';

export const get: DaAction = {
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
