// Uploads of rows to a member: libs/protocol/src/row-upload.ts.
import type { Agent } from 'node:http';
import {
  encodeRowsHead,
  encodeRowsProof,
  ROWS_PATH,
  type RowsHead,
  type RowsProof,
} from '@cairn/protocol';
import { z } from 'zod';
import { type UploadSettings, upload } from './upload.ts';

export type RowsUpload = RowsHead &
  RowsProof & {
    /** Bytes of the rows in order; they must stay as they are until the upload has ended. */
    rows: readonly Uint8Array[];
  };

const answerSchema = z.object({ known: z.boolean() });

/**
 * Resolves when the rows are durable at `endpoint` (`host:port`): true when they were there already. Rejects as `upload` does.
 */
export async function uploadRows(
  agent: Agent,
  endpoint: string,
  rows: RowsUpload,
  settings: UploadSettings,
): Promise<boolean> {
  const { known } = await upload(
    {
      ...{ agent, endpoint, path: ROWS_PATH, headers: encodeRowsHead(rows) },
      parts: [...encodeRowsProof(rows), ...rows.rows],
      answer: answerSchema,
    },
    settings,
  );
  return known;
}
