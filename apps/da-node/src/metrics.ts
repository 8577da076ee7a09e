import { Metrics } from '@cairn/telemetry';

export type DaNodeMetrics = ReturnType<typeof createDaNodeMetrics>;

/** Every metric of the DA node; gauges read what the parts know. */
export function createDaNodeMetrics(read: {
  stats: () => { blobs: number; bytes: number };
  inFlightBytes: () => number;
  openChallenges: () => number;
  lostBlobs: () => number;
}) {
  const metrics = new Metrics('da_node');
  metrics.gauge('store_blobs', 'blobs whose rows are kept', () => read.stats().blobs);
  metrics.gauge('store_bytes', 'bytes of rows on disk', () => read.stats().bytes);
  metrics.gauge(
    'receive_in_flight_bytes',
    'bytes of rows in memory while they are checked',
    read.inFlightBytes,
  );
  metrics.gauge('challenge_open', 'challenges that wait for an answer', read.openChallenges);
  metrics.gauge('scrub_lost_blobs', 'blobs whose rows are not all here', read.lostBlobs);
  return {
    metrics,
    scrubBytes: metrics.counter('scrub_checked_bytes_total', 'stored bytes read and checked'),
    damaged: metrics.counter('scrub_damaged_blobs_total', 'blobs found without all their rows'),
    healed: metrics.counter('scrub_healed_blobs_total', 'blobs whose rows were fetched again'),
    calls: metrics.histogram('grpc_call_seconds', 'time of gRPC methods and of uploads', [
      'method',
      'outcome',
    ]),
    answered: metrics.counter('challenge_answered_total', 'challenges answered'),
    paid: metrics.counter('reward_paid_tokens_total', 'rewards paid out to the operator'),
  };
}
