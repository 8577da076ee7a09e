import { z } from 'zod';

/** Settings that every daemon has; spread into its schema. */
export const daemonSettings = {
  logLevel: z
    .enum(['debug', 'info', 'warn', 'error', 'silent'])
    .default('info')
    .describe('least level written'),
  logFile: z.string().optional().describe('file for the log; standard error by default'),
  readyJson: z
    .boolean()
    .default(false)
    .describe('print one JSON line to standard output when serving'),
  exitWithParent: z
    .boolean()
    .default(false)
    .describe('stop when standard input closes (for supervisors)'),
};

export type DaemonSettings = z.output<z.ZodObject<typeof daemonSettings>>;
