/* What a `confirmBatch` transaction says: its input has the batch and every header, so nobody has to be asked or believed. */
import { bytesToHash32, hexToBytes, positionFromBigint } from '@cairn/base';
import { type Batch, type BlobHeader, decodeHeader } from '@cairn/quorum';
import { decodeFunctionData, encodeAbiParameters, type Hex } from 'viem';
import { daEntranceAbi } from '../generated/da-entrance-abi.ts';

const CONFIRM = daEntranceAbi.find(
  (
    item,
  ): item is Extract<(typeof daEntranceAbi)[number], { type: 'function'; name: 'confirmBatch' }> =>
    item.type === 'function' && item.name === 'confirmBatch',
)!;
const HEADER_TYPE = { ...CONFIRM.inputs[1], type: 'tuple' } as const;

export type ConfirmInput = { batch: Batch; absentees: number[]; headers: BlobHeader[] };

/** Undefined for a call of something else, as when another contract confirms. */
export function decodeConfirmInput(input: Hex): ConfirmInput | undefined {
  try {
    const { functionName, args } = decodeFunctionData({ abi: daEntranceAbi, data: input });
    if (functionName !== 'confirmBatch') return undefined;
    const [{ batch, absentees }, headers] = args;
    return {
      batch: {
        ...batch,
        referenceBlock: positionFromBigint(batch.referenceBlock),
        expiry: positionFromBigint(batch.expiry),
        root: bytesToHash32(hexToBytes(batch.root)),
      },
      absentees: [...absentees],
      // A header's ABI words are its wire form.
      headers: headers.map((header) =>
        decodeHeader(hexToBytes(encodeAbiParameters([HEADER_TYPE], [header]))),
      ),
    };
  } catch {
    return undefined; // not a call of this contract
  }
}
