// A certified blob with its trees again, from the data rows that members gave.
import type { TaskRunner } from '@cairn/kernels';
import { rowCode } from './commitment.ts';
import { certifyRows, type EncodedBlob, encodeBlobInThreads } from './encode.ts';
import type { BlobFormat } from './format.ts';
import { readCertifiedFrame } from './frame.ts';
import type { DaKernels } from './kernels.ts';

export type CertifiedData = {
  format: BlobFormat;
  /** All data rows, checked against the commitment. */
  data: Uint8Array;
  /** Length of the payload by the header. */
  length: number;
};

/**
 * Encodes data rows again, with the threads of `runner` where they are a frame. Rejects with the signal's reason or what the runner
 * reports. Costs `n * rowBytes` bytes and an encoding.
 */
export async function encodeDataRowsInThreads(
  kernels: DaKernels,
  runner: TaskRunner,
  { format, data, length }: CertifiedData,
  signal?: AbortSignal,
): Promise<EncodedBlob> {
  const payload = readCertifiedFrame(format, data, length);
  const { version, shape } = format;
  if (payload.length > 0)
    return encodeBlobInThreads(kernels, runner, payload, { version, shape, signal });
  // Rows that are no frame: nobody of ours makes such a blob, and it may cost this thread some time.
  const rows = new Uint8Array(4 * data.length);
  rows.set(data);
  rows.set(rowCode(kernels, format).encode(data, format.rowBytes), data.length);
  return certifyRows(kernels, format, rows);
}
