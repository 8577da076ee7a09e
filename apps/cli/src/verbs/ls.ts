import { CodedError } from '@cairn/base';
import { type DirectoryEntry, findEntry, walkDirectory } from '@cairn/protocol';
import { usage } from '../args.ts';
import { openSession } from '../context.ts';
import { DECRYPT_FLAGS, decryptWith } from '../encryption.ts';
import { formatBytes, printResult } from '../output.ts';
import type { Verb } from '../verb.ts';
import { parseTarget } from './get.ts';

export const ls: Verb = {
  name: 'ls',
  summary: 'list a stored folder or bundle',
  usage: 'cairn ls ROOT[/PATH] [--recursive]',
  flags: {
    recursive: { type: 'boolean', short: 'r', description: 'folders within folders too' },
    ...DECRYPT_FLAGS,
  },
  async run({ positionals, flags, global }, { signal }) {
    const [target] = positionals;
    if (positionals.length !== 1 || !target) throw usage('ls takes one root', this.usage);
    const { roots, path } = parseTarget(target);
    const [root] = roots;
    if (!root || roots.length > 1) throw usage('ls takes one root', this.usage);
    await using session = await openSession(global);
    const tree = await session.client.readDirectory(root, { signal, decrypt: decryptWith(flags) });
    const found = findEntry(tree, path);
    if (!found)
      throw new CodedError({
        code: 'SDK_NOT_FOUND',
        kind: 'not_found',
        message: `the directory has no ${path}`,
      });
    const below = found.type === 'directory' ? [...walkDirectory(found)] : [{ path, entry: found }];
    const shown =
      flags.recursive === true
        ? below
        : below.filter((row) => !row.path.includes('/') || found.type !== 'directory');
    printResult(
      global.json,
      { root, path, entries: shown.map(({ path: at, entry }) => row(at, entry)) },
      shown.map(({ path: at, entry }) => line(at, entry)),
    );
    return 0;
  },
};

function row(path: string, entry: DirectoryEntry): Record<string, unknown> {
  const base = { path, type: entry.type };
  if (entry.type === 'file') {
    const { size, roots, start } = entry;
    return { ...base, size, roots, ...(start === undefined ? {} : { start }) };
  }
  return entry.type === 'symbolic' ? { ...base, link: entry.link } : base;
}

function line(path: string, entry: DirectoryEntry): string {
  if (entry.type === 'file') return `${formatBytes(entry.size).padStart(10)}  ${path}`;
  return `${''.padStart(10)}  ${path}${entry.type === 'directory' ? '/' : ` -> ${entry.link}`}`;
}
