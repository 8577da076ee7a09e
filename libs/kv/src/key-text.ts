/** Bytes as a string of one character each, to use as a map key. Exact for any bytes. */
export function bytesToText(bytes: Uint8Array): string {
  if (bytes.length <= 8192) return String.fromCharCode.apply(null, bytes as unknown as number[]);
  let out = '';
  for (let at = 0; at < bytes.length; at += 8192)
    out += String.fromCharCode.apply(null, bytes.subarray(at, at + 8192) as unknown as number[]);
  return out;
}

/** The key as results print it: its first 32 characters, `UNKNOWN` when it is not UTF-8, `NONE` when there is none. */
export function keyForResult(key: Uint8Array): string {
  if (key.length === 0) return 'NONE';
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(key);
    return [...text].slice(0, 32).join('');
  } catch {
    return 'UNKNOWN';
  }
}

/** Bytewise order; the shorter comes first on a common prefix. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}
