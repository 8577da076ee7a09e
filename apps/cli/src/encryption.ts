// Flags of encryption, the same on every verb that reads or writes files.
import { CodedError, type Hex, hexToBytes } from '@cairn/base';
import { readKeyFile } from '@cairn/config';
import {
  type DecryptWith,
  encryptedSource,
  hashSource,
  newCipher,
  type StorageClient,
  type UploadSource,
} from '@cairn/sdk';
import type { FlagSpec, ParsedArgs } from './args.ts';
import { usage } from './args.ts';

export const ENCRYPT_FLAGS: FlagSpec = {
  'encryption-key': {
    type: 'string',
    description: 'encrypt with the 32-byte key in this file (64 hex digits)',
  },
  recipient: { type: 'string', description: 'encrypt to this secp256k1 public key (hex)' },
};
export const DECRYPT_FLAGS: FlagSpec = {
  'encryption-key': { type: 'string', description: 'decrypt with the 32-byte key in this file' },
  'decrypt-key': {
    type: 'string',
    description: 'decrypt with the private key in this file what was encrypted to its public key',
  },
};

/** What opens a stream, or undefined without a flag. */
export function decryptWith(flags: ParsedArgs['flags']): DecryptWith | undefined {
  const key = flags['encryption-key'] as string | undefined;
  const privateKey = flags['decrypt-key'] as string | undefined;
  if (key === undefined && privateKey === undefined) return undefined;
  return {
    ...(key === undefined ? {} : { key: hexToBytes(readKeyFile(key)) }),
    ...(privateKey === undefined ? {} : { privateKey: readKeyFile(privateKey) }),
  };
}

/**
 * Encrypts every source of an upload, or undefined without a flag. Nonces follow from key and content, so that an
 * interrupted upload finds its submission again.
 */
export function encryptWrap(
  flags: ParsedArgs['flags'],
  client: StorageClient,
  account: Hex | undefined,
): ((source: UploadSource) => Promise<UploadSource>) | undefined {
  const keyFile = flags['encryption-key'] as string | undefined;
  const recipient = flags.recipient as string | undefined;
  if (keyFile === undefined && recipient === undefined) return undefined;
  if (keyFile !== undefined && recipient !== undefined)
    throw usage('give --encryption-key or --recipient, not both');
  const to =
    keyFile === undefined
      ? { recipient: (recipient!.startsWith('0x') ? recipient! : `0x${recipient}`) as Hex }
      : { key: hexToBytes(readKeyFile(keyFile)) };
  if (!account)
    throw new CodedError({
      code: 'SDK_NO_ACCOUNT',
      kind: 'invalid',
      message: 'no account was given',
      hint: 'give --key-file FILE, or make one with cairn wallet new',
    });
  return async (source) => {
    const { rootBytes } = await hashSource(client.kernels, source);
    return encryptedSource(
      source,
      await newCipher(to, { plaintextRoot: rootBytes, ephemeralSeed: hexToBytes(account) }),
    );
  };
}
