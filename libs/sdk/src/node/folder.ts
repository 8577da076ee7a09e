import { lstat, mkdir, open, readdir, readlink, rename, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { CodedError } from '@cairn/base';
import type { HashPool } from '@cairn/kernels/node';
import { type DirectoryFolder, walkDirectory } from '@cairn/protocol';
import type { DirectoryInput } from '../directory.ts';
import type { DownloadSink } from '../source.ts';
import { fileSink, fileSource } from './files.ts';

/** Files of a folder that may be stored at once. */
const ENTRIES_MAX = 1_000_000;

/** Everything below a folder, ready to store. Links are kept as links. Throws `SDK_READ` for devices and sockets. */
export async function folderInputs(folder: string, pool: HashPool): Promise<DirectoryInput[]> {
  const out: DirectoryInput[] = [];
  const walk = async (prefix: string): Promise<void> => {
    for (const name of await readdir(join(folder, prefix))) {
      const path = prefix === '' ? name : `${prefix}/${name}`;
      const full = join(folder, path);
      const info = await lstat(full);
      if (out.length >= ENTRIES_MAX)
        throw readError(`${folder} has more than ${ENTRIES_MAX} entries`);
      if (info.isSymbolicLink()) out.push({ type: 'symbolic', path, link: await readlink(full) });
      else if (info.isDirectory()) {
        out.push({ type: 'directory', path });
        await walk(path);
      } else if (info.isFile())
        out.push({ type: 'file', path, size: info.size, open: () => fileSource(full, pool) });
      else throw readError(`${full} is neither file, folder nor link`);
    }
  };
  await walk('');
  return out;
}

function readError(message: string): CodedError {
  return new CodedError({ code: 'SDK_READ', kind: 'invalid', message });
}

export type FolderReport = { files: number; bytes: number; skippedLinks: string[] };

/**
 * Writes a tree below `folder`, which must not exist or be empty. `fetch` fills a sink with one file. Links are made
 * last, so that no file is ever written through one; a link that points out of the folder is left out and reported.
 */
export async function writeFolder(
  folder: string,
  tree: DirectoryFolder,
  fetch: (
    entry: { path: string; roots: string[]; size: number; start: number | undefined },
    sink: DownloadSink,
  ) => Promise<void>,
): Promise<FolderReport> {
  await mkdir(folder, { recursive: true });
  if ((await readdir(folder)).some((name) => name !== PARTIAL))
    throw new CodedError({
      code: 'SDK_EXISTS',
      kind: 'conflict',
      message: `${folder} is not empty`,
      hint: 'choose another name',
    });
  const report: FolderReport = { files: 0, bytes: 0, skippedLinks: [] };
  const partial = join(folder, PARTIAL);
  const links: { path: string; link: string }[] = [];
  for (const { path, entry } of walkDirectory(tree)) {
    const target = join(folder, path);
    if (entry.type === 'directory') await mkdir(target);
    else if (entry.type === 'symbolic') links.push({ path, link: entry.link });
    else {
      await rm(partial, { force: true });
      if (entry.size === 0) await (await open(partial, 'w')).close();
      else {
        await using sink = await fileSink(partial);
        const { roots, size, start } = entry;
        await fetch({ path, roots, size, start }, sink);
        await sink.sync();
      }
      await rename(partial, target);
      report.files++;
      report.bytes += entry.size;
    }
  }
  const linked = new Set(links.map(({ path }) => path));
  for (const { path, link } of links) {
    if (staysInside(path, link, linked)) await symlink(link, join(folder, path));
    else report.skippedLinks.push(path);
  }
  return report;
}

/** True when a link's target is in the folder whatever the other links are: `..` only in front, no way through a link. */
function staysInside(path: string, link: string, linked: ReadonlySet<string>): boolean {
  if (link === '' || link.startsWith('/')) return false;
  const names = link.split('/').filter((name) => name !== '' && name !== '.');
  const at = path.split('/').slice(0, -1);
  let isClimbing = true;
  for (const [i, name] of names.entries()) {
    if (name === '..') {
      if (!isClimbing || at.pop() === undefined) return false;
      continue;
    }
    isClimbing = false;
    at.push(name);
    if (i < names.length - 1 && linked.has(at.join('/'))) return false;
  }
  return true;
}

const PARTIAL = '.cairn-download';
