import { z } from 'zod';
import type { ChildOptions } from '../processes/child.ts';
import { appProcess } from './app.ts';

/** The line an indexer prints when it serves. */
export const indexerReady = z.object({ url: z.string() });

export function indexerProcess(options: {
  port: number;
  trusted: readonly string[];
  logDir: string;
}): ChildOptions {
  return appProcess('indexer', {
    name: 'indexer',
    logDir: options.logDir,
    args: ['--trusted', options.trusted.join(','), '--port', String(options.port)],
  });
}
