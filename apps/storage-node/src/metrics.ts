import { Metrics } from '@cairn/telemetry';

/** Every metric of the storage node. */
export function createNodeMetrics() {
  const metrics = new Metrics('storage_node');
  return {
    metrics,
    rpcSeconds: metrics.histogram('rpc_call_seconds', 'Time of JSON-RPC calls', [
      'method',
      'outcome',
    ]),
    ingestBytes: metrics.counter('ingest_stored_bytes_total', 'Segment bytes made durable'),
    filesFinalized: metrics.counter('files_finalized_total', 'Files finalized'),
  };
}
export type NodeMetrics = ReturnType<typeof createNodeMetrics>;
