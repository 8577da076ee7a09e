/** Path segments from this length on are taken for keys of a provider (`/v3/<key>`). */
const KEY_LENGTH_MIN = 20;
const HIDDEN = '<redacted>';

/**
 * A URL as it may be printed: without user, password and query values, and without path segments that look like keys.
 * What is no URL comes back as it is.
 */
export function redactUrl(text: string): string {
  const match = /^([a-z][a-z0-9+.-]*:\/\/)([^/?#]*)([^?#]*)(\?[^#]*)?/i.exec(text);
  if (!match) return text;
  const [, scheme, authority, path, query] = match as unknown as [
    string,
    string,
    string,
    string,
    string?,
  ];
  const at = authority.lastIndexOf('@');
  const shownPath = path
    .split('/')
    .map((part) => (part.length >= KEY_LENGTH_MIN ? HIDDEN : part))
    .join('/');
  const shownQuery = query ? query.replace(/=[^&]*/g, `=${HIDDEN}`) : '';
  return `${scheme}${at < 0 ? '' : `${HIDDEN}@`}${authority.slice(at + 1)}${shownPath}${shownQuery}`;
}
