// A ustar archive in memory: 512-byte headers and contents padded to 512 (POSIX.1-1988). Times are zero: same files, same bytes.

function header(name: string, size: number): Uint8Array {
  const out = new Uint8Array(512);
  const put = (text: string, at: number): void => out.set(new TextEncoder().encode(text), at);
  const octal = (value: number, digits: number): string =>
    `${value.toString(8).padStart(digits, '0')}\0`;
  put(name.length > 100 ? name.slice(-100) : name, 0);
  put(octal(0o644, 7), 100);
  put(octal(0, 7), 108);
  put(octal(0, 7), 116);
  put(octal(size, 11), 124);
  put(octal(0, 11), 136);
  put('        ', 148);
  put('0', 156);
  put('ustar\x0000', 257);
  put(
    `${out
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, '0')}\0 `,
    148,
  );
  return out;
}

/** Packs files; names longer than 100 characters keep their end. */
export function packTar(files: readonly { name: string; content: Uint8Array }[]): Uint8Array {
  const length = files.reduce(
    (sum, { content }) => sum + 512 + Math.ceil(content.length / 512) * 512,
    1024,
  );
  const out = new Uint8Array(length);
  let at = 0;
  for (const { name, content } of files) {
    out.set(header(name, content.length), at);
    out.set(content, at + 512);
    at += 512 + Math.ceil(content.length / 512) * 512;
  }
  return out;
}
