/*
 * Nitro's external DA provider: namespace `daprovider` (spec/rollup-interfaces.md section 3). Two encodings live in this API:
 * payloads and preimages are base64 under capitalised names, everything else is 0x-hex.
 *
 * Nitro reads our errors by phrases in their text. On a read, "certificate validation failed" makes the batch empty and the chain
 * goes on, every other error is repeated until we answer: so the phrase is for certificates that are bad for good, and only for
 * them. On a store, one phrase sends the poster to its next writer, one makes it ask for our size again, and any other error stops
 * it until an operator comes.
 */
import { bytesToHex, CodedError, errorMessage, isCodedError } from '@cairn/base';
import { keccak } from '@cairn/quorum';
import { RpcError, type RpcMethod } from '@cairn/rpc';
import { DROP, dropError } from '../errors.ts';
import type { Inputs } from '../inputs.ts';
import type { ChunkedReceiver } from './chunked.ts';
import { bytesParam, countParam, hashParam, uint64Param } from './params.ts';

export const PHRASES = {
  fallback: 'DA provider requests fallback to next writer',
  tooLarge: 'message too large for current DA backend',
  invalid: 'certificate validation failed',
} as const;

export type ProviderDeps = {
  inputs: Inputs;
  /** Absent when messages in pieces are not taken. */
  chunked: ChunkedReceiver | undefined;
  /** Until when (unix seconds) what is stored now can be read for sure; undefined for as long as anybody asks. */
  keptUntil: () => Promise<number | undefined>;
  /** Has a certificate from far ahead refused for good; true when it was. Absent where nobody pays for that. */
  refuse?: ((certificate: Uint8Array, signal: AbortSignal) => Promise<boolean>) | undefined;
  config: () => unknown;
};
export type ProviderOptions = {
  /** Longest HTTP body the server reads. */
  bodyBytesMax: number;
};

/** Bytes of a JSON-RPC request around the hex of its message. */
const REQUEST_BYTES = 512;
/** Header of a sequencer message: five uint64. */
const MESSAGE_HEADER_BYTES = 40;
const CERTIFICATE_FLAG = 0x01;
/** Key of certificates among the kinds of preimages. */
const PREIMAGE_KIND = '3';
const PROOF_VERSION = 0x01;
/** Kinds of failures for which another writer is the answer. */
const NOT_HERE = new Set(['unavailable', 'timeout', 'exhausted', 'not_ready', 'cancelled']);

const base64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');

export function nitroMethods(
  deps: ProviderDeps,
  options: ProviderOptions,
): Record<string, RpcMethod> {
  const { inputs, chunked } = deps;
  const inBody = Math.floor((options.bodyBytesMax - REQUEST_BYTES) / 2);
  const maxSize = chunked
    ? inputs.options.inputBytesMax
    : Math.min(inputs.options.inputBytesMax, inBody);

  const store = async (
    message: Uint8Array,
    timeout: bigint,
    signal: AbortSignal,
  ): Promise<{ 'serialized-da-cert': string }> => {
    if (message.length === 0) throw new RpcError(-32602, 'invalid params: the message is empty');
    checkRetention(timeout, await deps.keptUntil());
    try {
      return { 'serialized-da-cert': bytesToHex(await inputs.put(message, { signal })) };
    } catch (error) {
      throw storeError(error);
    }
  };
  /** The payload; a certificate whose verdict somebody put off is not waited for. */
  const read = async (certificate: Uint8Array, signal: AbortSignal): Promise<Uint8Array> => {
    try {
      return await inputs.get(certificate);
    } catch (error) {
      const isOpen = isCodedError(error, 'ROLLUP_UNDECIDED');
      if (!isOpen || !(await deps.refuse?.(certificate, signal))) throw error;
      return inputs.get(certificate);
    }
  };
  const recover = async (
    params: readonly unknown[],
    { signal }: { signal: AbortSignal },
  ): Promise<{ certificate: Uint8Array; payload: Uint8Array }> => {
    uint64Param(params[0], 'batchNum');
    hashParam(params[1], 'batchBlockHash');
    const message = bytesParam(params[2], 'sequencerMsg');
    if (message.length < MESSAGE_HEADER_BYTES)
      throw new RpcError(-32602, 'invalid params: sequencerMsg is shorter than its header');
    const certificate = message.subarray(MESSAGE_HEADER_BYTES);
    try {
      if (certificate[0] !== CERTIFICATE_FLAG)
        throw dropError(DROP.malformed, 'not a DA certificate');
      return { certificate, payload: await read(certificate, signal) };
    } catch (error) {
      throw readError(error);
    }
  };
  const preimages = ({
    certificate,
    payload,
  }: {
    certificate: Uint8Array;
    payload: Uint8Array;
  }) => ({
    [PREIMAGE_KIND]: { [bytesToHex(keccak(certificate))]: base64(payload) },
  });

  return {
    daprovider_getSupportedHeaderBytes: () => ({
      headerBytes: bytesToHex(Uint8Array.of(CERTIFICATE_FLAG)),
    }),
    daprovider_getMaxMessageSize: () => ({ maxSize }),
    daprovider_store: ([message, timeout], { signal }) =>
      store(bytesParam(message, 'message'), uint64Param(timeout, 'timeout'), signal),
    daprovider_recoverPayload: async (params, context) => ({
      Payload: base64((await recover(params, context)).payload),
    }),
    daprovider_collectPreimages: async (params, context) => ({
      Preimages: preimages(await recover(params, context)),
    }),
    daprovider_recoverPayloadAndPreimages: async (params, context) => {
      const found = await recover(params, context);
      return { Payload: base64(found.payload), Preimages: preimages(found) };
    },
    daprovider_generateReadPreimageProof: async (params) => {
      // Older clients send the hash of the certificate first.
      const [offset, certificate] = params.length === 3 ? params.slice(1) : params;
      if (params.length === 3) hashParam(params[0], 'certHash');
      try {
        const proof = await inputs.prove(
          bytesParam(certificate, 'certificate'),
          countParam(offset, 'offset'),
        );
        return { proof: bytesToHex(proof) };
      } catch (error) {
        throw readError(error);
      }
    },
    daprovider_generateCertificateValidityProof: async ([certificate]) => {
      const isValid = await inputs.isValid(bytesParam(certificate, 'certificate')).catch(rethrow);
      return { proof: bytesToHex(Uint8Array.of(isValid ? 1 : 0, PROOF_VERSION)) };
    },
    daprovider_compatibilityConfig: () => deps.config(),
    ...(chunked && chunkedMethods(chunked, store)),
  };
}

function chunkedMethods(
  chunked: ChunkedReceiver,
  store: (message: Uint8Array, timeout: bigint, signal: AbortSignal) => Promise<unknown>,
): Record<string, RpcMethod> {
  return {
    daprovider_startChunkedStore: async ([timestamp, count, bytes, total, timeout, signature]) => {
      const start = {
        timestamp: uint64Param(timestamp, 'timestamp'),
        pieceCount: countParam(count, 'nChunks'),
        pieceBytes: countParam(bytes, 'chunkSize'),
        totalBytes: countParam(total, 'totalSize'),
        timeout: uint64Param(timeout, 'timeout'),
      };
      const id = await chunked
        .start(start, bytesParam(signature, 'sig'))
        .catch((error: unknown) => {
          throw storeError(error);
        });
      return { BatchId: `0x${id.toString(16)}` };
    },
    daprovider_sendChunk: async ([id, index, data, signature]) => {
      await chunked.add(
        uint64Param(id, 'messageId'),
        countParam(index, 'chunkId'),
        bytesParam(data, 'chunk'),
        bytesParam(signature, 'sig'),
      );
      return null;
    },
    daprovider_commitChunkedStore: async ([id, signature], { signal }) => {
      const { message, timeout } = await chunked.commit(
        uint64Param(id, 'messageId'),
        bytesParam(signature, 'sig'),
      );
      return store(message, timeout, signal);
    },
  };
}

/** Zero, or a time that has passed, means no preference. */
function checkRetention(timeout: bigint, keptUntil: number | undefined): void {
  if (keptUntil === undefined || timeout <= BigInt(keptUntil)) return;
  throw new CodedError({
    code: 'ROLLUP_RETENTION',
    kind: 'invalid',
    message: `blobs are kept until ${keptUntil} (unix seconds) and ${timeout} was asked for: archiving to the storage lane is off`,
  });
}

function storeError(error: unknown): unknown {
  if (!isCodedError(error)) return error;
  if (error.code === 'ROLLUP_TOO_LARGE')
    return new RpcError(-32000, `${PHRASES.tooLarge}: ${error.message}`);
  if (NOT_HERE.has(error.kind) || error.code.startsWith('STORE_'))
    return new RpcError(-32000, `${PHRASES.fallback}: ${error.message}`);
  return error;
}

function readError(error: unknown): unknown {
  if (isCodedError(error, 'ROLLUP_CERTIFICATE'))
    return new RpcError(-32000, `${PHRASES.invalid}: ${error.message}`);
  return error;
}

function rethrow(error: unknown): never {
  throw isCodedError(error) ? error : new RpcError(-32000, errorMessage(error));
}
