import { Metrics } from '@cairn/telemetry';

/** Every metric of the KV node. */
export function createKvMetrics() {
  const metrics = new Metrics('kv_node');
  return {
    metrics,
    rpcSeconds: metrics.histogram('rpc_call_seconds', 'Time of JSON-RPC calls', [
      'method',
      'outcome',
    ]),
    batches: metrics.counter('replay_batches_total', 'Batches decided', ['result']),
    keys: metrics.counter('replay_keys_total', 'Keys written by committed batches'),
    fetchFailures: metrics.counter('fetch_failures_total', 'Downloads of batches that failed'),
    reverts: metrics.counter('sync_reverts_total', 'Reorganisations undone'),
  };
}
export type KvMetrics = ReturnType<typeof createKvMetrics>;
