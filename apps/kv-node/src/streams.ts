import type { Hash32, Logger } from '@cairn/base';
import type { KvState } from './store/kv-state.ts';

/**
 * Brings the watched streams in line with the configuration, before anything runs: one that is new there restarts replay
 * from the first submission, one that left it is dropped. Streams that were added at run time stay.
 */
export function applyConfiguredStreams(
  state: KvState,
  streamIds: readonly Hash32[],
  log: Logger,
): void {
  const wanted = new Set(streamIds);
  for (const { streamId, origin } of state.streams.all())
    if (origin === 'config' && !wanted.has(streamId)) {
      log.warn({ streamId }, 'a stream left the configuration and is dropped');
      state.drop(streamId);
    }
  const fresh = [...wanted].filter((id) => state.streams.get(id) === undefined);
  if (fresh.length === 0) return;
  const isRestart = state.log.progress() !== undefined;
  if (isRestart)
    log.warn(
      { streams: fresh.length },
      'the configuration has new streams: replaying from the start',
    );
  state.transaction(() => {
    if (isRestart) state.reset();
    for (const id of fresh) state.streams.add(id, 0, 'config');
  });
}
