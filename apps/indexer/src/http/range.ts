// The parts of RFC 9110 that a download needs: one byte range, and entity tags.

/**
 * One range of a `Range` header as [start, end). Undefined when the header asks for everything, for several ranges at once
 * (which a server may answer whole), or is not understood.
 */
export function parseRange(
  header: string | undefined,
  size: number,
): { start: number; end: number } | 'unsatisfiable' | undefined {
  const match = /^\s*bytes\s*=\s*(\d{0,15})\s*-\s*(\d{0,15})\s*$/i.exec(header ?? '');
  if (!match || (match[1] === '' && match[2] === '')) return undefined;
  const [first, last] = [match[1]!, match[2]!];
  if (first === '') {
    const length = Math.min(size, Number(last));
    return length === 0 ? 'unsatisfiable' : { start: size - length, end: size };
  }
  const start = Number(first);
  if (last !== '' && Number(last) < start) return undefined;
  if (start >= size) return 'unsatisfiable';
  return { start, end: last === '' ? size : Math.min(size, Number(last) + 1) };
}

/** Whether an `If-None-Match` names the tag: `*`, or a list of strong or weak tags. */
export function matchesTag(header: string | undefined, tag: string): boolean {
  if (header === undefined) return false;
  return header.split(',').some((one) => {
    const given = one.trim();
    return given === '*' || given === tag || given === `W/${tag}`;
  });
}

/** Whether a range may be sent: no `If-Range`, or one with exactly this strong tag. A date is not compared. */
export function allowsRange(ifRange: string | undefined, tag: string): boolean {
  return ifRange === undefined || ifRange.trim() === tag;
}

/** `attachment` with a name that any header may carry, and the full one for clients that read it (RFC 6266). */
export function contentDisposition(name: string): string {
  const plain = name.replace(/[^\w.-]/g, '_').slice(0, 255) || 'file';
  if (plain === name) return `attachment; filename="${plain}"`;
  const encoded = encodeURIComponent(name.toWellFormed().slice(0, 255)).replace(
    /['()*!]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`;
}
