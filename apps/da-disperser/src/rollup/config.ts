import { addressSchema, PORTS } from '@cairn/protocol';
import { z } from 'zod';

const port = z.number().int().min(0).max(65_535);
const blocks = z.number().int().min(0);

/** Settings of the servers for rollups, part of the disperser's. */
export const rollupSettings = {
  opPort: port
    .optional()
    .describe(`port of OP's alt-DA server (usually ${PORTS.opAltDa}), 0 for any; off by default`),
  opFormat: z
    .enum(['cairn', '0g'])
    .default('cairn')
    .describe("commitments that PUT gives: ours, or 0G's 50 bytes (then inputs share no blobs)"),
  nitroPort: port
    .optional()
    .describe(`port of Nitro's DA provider (usually ${PORTS.nitroDa}), 0 for any; off by default`),
  nitroJwtFile: z
    .string()
    .optional()
    .describe('file with the 32-byte hex secret of its tokens; without one the port is open'),
  nitroBodyBytes: z
    .number()
    .int()
    .min(4096)
    .max(67_108_864)
    .default(5_242_880)
    .describe('longest request; the longest message is less than half of it'),
  nitroChunkedStore: z
    .boolean()
    .default(false)
    .describe('take messages in pieces, and promise the longest input of a rollup'),
  nitroSigner: z
    .union([z.enum(['none', 'commitment']), addressSchema])
    .default('none')
    .describe('who signs messages in pieces: none, commitment, or the address of the batch poster'),
  rollupVerifierAddress: addressSchema
    .optional()
    .describe("the rollup's RollupVerifier, asked for verdicts; DAEntrance by default"),
  rollupReadOnly: z.boolean().default(false).describe('serve what is stored, store nothing'),
  rollupInputBytesMax: z
    .number()
    .int()
    .min(1)
    .max(16_777_216)
    .default(16_777_216)
    .describe('longest input of a rollup'),
  rollupPutTimeoutMs: z
    .number()
    .int()
    .min(1)
    .default(900_000)
    .describe('how long storing an input may take before the rollup is told to go elsewhere'),
  rollupConfirmationBlocks: blocks
    .default(0)
    .describe('blocks on top of a confirmation before its certificate is given out'),
  rollupRecencyBlocks: blocks
    .default(14_400)
    .describe('a certificate is refused when included this many blocks after its reference block'),
};
