import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { CodedError } from '@cairn/base';
import { z } from 'zod';

const CLI = fileURLToPath(new URL('../../../cli/src/main.ts', import.meta.url));

/** Runs a verb of the real command line in its own process. */
export function cairn(args: readonly string[], devnetFile: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--conditions=source', CLI, ...args, '--json'], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, CAIRN_DEVNET: devnetFile },
    });
    let output = '';
    let errors = '';
    child.stdout.on('data', (part: Buffer) => (output += part.toString()));
    child.stderr.on('data', (part: Buffer) => (errors += part.toString()));
    child.on('error', reject);
    child.on('close', (code) => {
      const answer = z
        .object({
          error: z.object({ message: z.string(), hint: z.string().optional() }).optional(),
        })
        .loose()
        .safeParse(safeJson(output));
      if (code === 0 && answer.success) return resolve(answer.data);
      const error = answer.success ? answer.data.error : undefined;
      reject(
        new CodedError({
          code: 'DEVNET_STORY',
          kind: 'unavailable',
          message: `cairn ${args[0]} failed: ${error?.message ?? (errors.trim().split('\n').at(-1) || `exit code ${code}`)}`,
          ...(error?.hint ? { hint: error.hint } : {}),
        }),
      );
    });
  });
}

function safeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
