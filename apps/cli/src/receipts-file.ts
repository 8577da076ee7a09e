// Receipts kept for the day they are needed: one JSON file per upload.
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CodedError } from '@cairn/base';
import { type SignedReceipt, signedReceiptSchema } from '@cairn/protocol';
import { z } from 'zod';
import { cairnHome } from './context.ts';

const receiptsFileSchema = z.strictObject({ receipts: z.array(signedReceiptSchema).max(4096) });

/** Where the receipts of a root go unless the user says otherwise. */
export function receiptsPath(root: string): string {
  return join(cairnHome(), 'receipts', `${root}.json`);
}

/** Writes the file in one step. */
export function writeReceipts(path: string, receipts: readonly SignedReceipt[]): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.new`, `${JSON.stringify({ receipts }, null, 2)}\n`);
  renameSync(`${path}.new`, path);
}

/** Throws `CLI_RECEIPTS_FILE`. */
export function readReceipts(path: string): SignedReceipt[] {
  let problem: unknown;
  try {
    return receiptsFileSchema.parse(JSON.parse(readFileSync(path, 'utf8'))).receipts;
  } catch (error) {
    problem = error;
  }
  throw new CodedError({
    code: 'CLI_RECEIPTS_FILE',
    kind: 'invalid',
    message: `${path} is not a file of receipts`,
    hint: 'cairn put FILE --receipts N writes one',
    cause: problem,
  });
}
