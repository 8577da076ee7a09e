/*
 * One hash over seeded code words, blobs, proofs, stripes and descriptors. When it changes, what we put on disks, the wire or
 * the chain has changed: `node --conditions=source libs/erasure/test/conformance.ts` writes the new one, as a commit of its
 * own.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bytesToHex, type DataRoot, seededRandom } from '@cairn/base';
import { referenceKernels } from '@cairn/kernels';
import {
  type BlobVersion,
  CODED_FILE_BYTES_MIN,
  codedFileLayout,
  type DaKernels,
  encodeBlob,
  encodeParityDescriptor,
  extendRlc,
  fragmentPlace,
  ReedSolomon,
  type RsShape,
} from '../src/index.ts';

export type Conformance = { cases: number; sha256: string };

const VERSIONS: readonly BlobVersion[] = [0x00, 0x10, 0x11];

export function conformance(kernels: DaKernels, cases = 96): Conformance {
  const random = seededRandom(2026);
  const upTo = (max: number): number => 1 + Math.floor(random.next() * max);
  const digest = (bytes: Uint8Array): string =>
    bytesToHex(kernels.sha256.hashMany(bytes, bytes.length));
  const lines: string[] = [];
  for (let i = 0; i < cases; i++) {
    const layout = (['natural', 'leopard-high', 'vandermonde'] as const)[i % 3]!;
    const field = layout === 'vandermonde' || i % 2 === 0 ? 8 : 16;
    const shape: RsShape = { field, layout, dataRows: upTo(60), parityRows: upTo(60) };
    const rowBytes = 64 * upTo(3);
    const parity = new ReedSolomon(kernels.galois, shape).encode(
      random.bytes(shape.dataRows * rowBytes),
      rowBytes,
    );

    const dataRows = 2 ** upTo(5);
    const blobShape = { id: i, dataRows, parityRows: dataRows * (i % 4 < 3 ? 3 : 1) };
    const payload = random.bytes(upTo(12_000));
    const version = VERSIONS[i % 3]!;
    const blob = encodeBlob(kernels, payload, { version, shape: blobShape });
    const index = Math.floor(random.next() * dataRows);
    const shard = blob.shard([index, index + dataRows]);
    const piece = version === 0x11 ? blob.pieceProof(index, 0) : undefined;

    const code = i % 2 === 0 ? 32 : 24;
    const file = codedFileLayout(CODED_FILE_BYTES_MIN + upTo(1e9), code);
    const stripe = Math.floor(random.next() * file.stripes);
    const checkRoot = random.bytes(32);
    const dataRoot = bytesToHex(random.bytes(32)) as DataRoot;
    lines.push(
      JSON.stringify({
        shape,
        parity: digest(parity),
        format: blob.format,
        rows: digest(blob.rows),
        rowRoot: bytesToHex(blob.rowRoot),
        rlc: digest(extendRlc(kernels, blob.format, blob.rlc)),
        commitment: bytesToHex(blob.commitment),
        siblings: bytesToHex(shard.siblings),
        piecePath: piece && bytesToHex(piece.piecePath),
        rlcPath: bytesToHex(blob.dataRowProof(index).rlcPath),
        file,
        places: Array.from({ length: code }, (_, position) =>
          fragmentPlace(file, { stripe, position }),
        ),
        descriptor: bytesToHex(
          encodeParityDescriptor({ dataRoot, dataBytes: file.dataBytes, code, checkRoot }),
        ),
      }),
    );
  }
  return { cases, sha256: digest(new TextEncoder().encode(lines.join('\n'))) };
}

if (import.meta.main) {
  const result = conformance(referenceKernels());
  writeFileSync(
    join(import.meta.dirname, 'conformance.json'),
    `${JSON.stringify({ about: 'libs/erasure/test/conformance.ts', ...result }, undefined, 2)}\n`,
  );
}
