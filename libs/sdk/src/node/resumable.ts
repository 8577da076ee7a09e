import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import type { DownloadSink } from '../source.ts';
import { IndexSet } from '../upload-state.ts';
import { fileSink } from './files.ts';

type Saved = { key: string; parts: Record<string, [number, number][]> };

export type ResumableFile = AsyncDisposable & {
  sink: DownloadSink;
  /** Segments that an interrupted download left on disk. */
  has(segmentIndex: number, part: number): boolean;
  /** The sink has this segment now. */
  add(segmentIndex: number, part: number): void;
  /** Gives the finished file its name. */
  finish(): Promise<void>;
};

/** The list is saved after this much time or this many segments (32 MiB), whichever comes first. */
const SAVE_EVERY_MS = 1000;
const SAVE_EVERY_SEGMENTS = 128;

/**
 * A file that is downloaded to `PATH.download` and can be gone on with: `PATH.download.json` lists the segments that are
 * synced. `key` says what is downloaded (roots, range); another key starts over.
 */
export async function resumableFile(path: string, key: string): Promise<ResumableFile> {
  const partial = `${path}.download`;
  const sidecar = `${partial}.json`;
  const saved = await readSaved(sidecar, key);
  if (!saved) await rm(partial, { force: true });
  const done = new Map<number, IndexSet>();
  for (const [part, ranges] of Object.entries(saved?.parts ?? {}))
    done.set(Number(part), new IndexSet(ranges));
  const file = await fileSink(partial);
  let savedAt = performance.now();
  let unsaved = 0;
  let saving: Promise<void> | undefined;

  const save = async (): Promise<void> => {
    const parts: Saved['parts'] = {};
    for (const [part, set] of done) parts[part] = set.toRanges();
    // The list was taken before the sync, so it never names a segment that the sync did not cover.
    await file.sync();
    await writeFile(`${sidecar}.new`, JSON.stringify({ key, parts } satisfies Saved));
    await rename(`${sidecar}.new`, sidecar);
  };
  let failure: unknown;
  let isDone = false;
  return {
    sink: file,
    has: (index, part) => done.get(part)?.has(index) ?? false,
    add(index, part) {
      const set = done.get(part) ?? new IndexSet();
      done.set(part, set);
      set.add(index);
      unsaved++;
      const isDue = performance.now() - savedAt >= SAVE_EVERY_MS || unsaved >= SAVE_EVERY_SEGMENTS;
      if (saving || !isDue) return;
      unsaved = 0;
      saving = save()
        .catch((error: unknown) => {
          failure = error;
        })
        .finally(() => {
          savedAt = performance.now();
          saving = undefined;
        });
    },
    async finish() {
      await saving;
      if (failure) throw failure;
      await file.sync();
      await file[Symbol.asyncDispose]();
      isDone = true;
      await rename(partial, path);
      await rm(sidecar, { force: true });
    },
    async [Symbol.asyncDispose]() {
      if (isDone) return;
      await saving;
      if (done.size > 0 && !failure) await save();
      await file[Symbol.asyncDispose]();
    },
  };
}

async function readSaved(sidecar: string, key: string): Promise<Saved | undefined> {
  const text = await readFile(sidecar, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    const saved = JSON.parse(text) as Saved;
    return saved.key === key ? saved : undefined;
  } catch {
    return undefined; // a damaged list only costs fetching again
  }
}
