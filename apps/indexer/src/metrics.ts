import { Metrics } from '@cairn/telemetry';

/** Every metric of the indexer. */
export function createIndexerMetrics() {
  const metrics = new Metrics('indexer');
  return {
    metrics,
    rpcSeconds: metrics.histogram('rpc_call_seconds', 'Time of JSON-RPC calls', [
      'method',
      'outcome',
    ]),
    gatewayBytes: metrics.counter('gateway_sent_bytes_total', 'Verified bytes sent to clients'),
    watch(read: {
      trustedNodes: () => number;
      answeringNodes: () => number;
      cachedLocations: () => number;
    }): void {
      metrics.gauge('nodes_trusted', 'Storage nodes in the settings', read.trustedNodes);
      metrics.gauge(
        'nodes_answering',
        'Storage nodes that answered last time',
        read.answeringNodes,
      );
      metrics.gauge('locations_cached', 'Files whose nodes are remembered', read.cachedLocations);
    },
  };
}
