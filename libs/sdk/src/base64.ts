/** Padded base64; native where the runtime has it. */
export function bytesToBase64(bytes: Uint8Array): string {
  if ('toBase64' in bytes) return (bytes as Uint8Array & { toBase64(): string }).toBase64();
  let binary = '';
  for (let at = 0; at < bytes.length; at += 8192)
    binary += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(binary);
}

/** Bytes of base64 text; throws `SyntaxError` or `InvalidCharacterError` on anything else. */
export function base64ToBytes(text: string): Uint8Array {
  if ('fromBase64' in Uint8Array)
    return (Uint8Array as unknown as { fromBase64(text: string): Uint8Array }).fromBase64(text);
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}
