/* The tokens geth's clients send: HS256 over a shared 32-byte secret, with an `iat` of about now. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { CodedError, hexToBytes } from '@cairn/base';

/** Seconds a token's `iat` may differ from our clock, as geth has it. */
const IAT_SECONDS_MAX = 60;
const TOKEN_CHARS_MAX = 4096;

/** The secret in a file: 64 hex digits, with or without 0x. Throws `CONFIG_JWT_SECRET`. */
export function readJwtSecret(path: string): Uint8Array {
  const fail = (message: string, cause?: unknown): CodedError =>
    new CodedError({
      code: 'CONFIG_JWT_SECRET',
      kind: 'invalid',
      message,
      hint: 'the file holds 64 hex digits: openssl rand -hex 32',
      cause,
    });
  let text: string;
  try {
    text = readFileSync(path, 'utf8').trim();
  } catch (cause) {
    throw fail(`cannot read the secret in ${path}`, cause);
  }
  if (!/^(0x)?[0-9a-fA-F]{64}$/.test(text)) throw fail(`${path} does not hold a 32-byte secret`);
  return hexToBytes(text);
}

/** Whether an `Authorization` header carries a good token at `unixSeconds`. Never throws. */
export function isAuthorized(
  header: string | undefined,
  secret: Uint8Array,
  unixSeconds: number,
): boolean {
  const token = /^Bearer ([A-Za-z0-9_.-]+)$/.exec(header ?? '')?.[1];
  const parts = token?.split('.');
  if (!token || token.length > TOKEN_CHARS_MAX || parts?.length !== 3) return false;
  const [head, claims, signature] = parts as [string, string, string];
  const expected = createHmac('sha256', secret).update(`${head}.${claims}`).digest();
  const actual = Buffer.from(signature, 'base64url');
  if (actual.length !== expected.length || !timingSafeEqual(actual, expected)) return false;
  const { iat, exp } = parsed(claims);
  return (
    parsed(head).alg === 'HS256' &&
    typeof iat === 'number' &&
    Math.abs(iat - unixSeconds) <= IAT_SECONDS_MAX &&
    (typeof exp !== 'number' || exp > unixSeconds)
  );
}

function parsed(part: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
