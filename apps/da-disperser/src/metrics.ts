import { Metrics } from '@cairn/telemetry';

export type DisperserMetrics = ReturnType<typeof createDisperserMetrics>;

/** Every metric of the disperser and its rollup servers; gauges read what the parts know. */
export function createDisperserMetrics() {
  const metrics = new Metrics('disperser');
  const grpc = metrics.histogram('grpc_call_seconds', 'time of gRPC methods', [
    'method',
    'outcome',
  ]);
  const op = metrics.histogram('op_request_seconds', 'time of OP alt-DA requests', [
    'kind',
    'status',
  ]);
  const nitro = metrics.histogram('nitro_call_seconds', "time of Nitro's provider methods", [
    'method',
    'outcome',
  ]);
  const reads = metrics.counter(
    'read_blobs_total',
    'blobs read for rollups, by where the good copy came from',
    ['from'],
  );
  const dropped = metrics.counter(
    'read_members_dropped_total',
    'members that failed a read: their rows were bad (lied) or did not come (silent)',
    ['why'],
  );
  return {
    metrics,
    onGrpc: (method: string, outcome: string, seconds: number) =>
      grpc.observe({ method, outcome }, seconds),
    onOp: (kind: string, status: number, seconds: number) =>
      op.observe({ kind, status: String(status) }, seconds),
    onNitro: (method: string, outcome: string, seconds: number) =>
      nitro.observe({ method, outcome }, seconds),
    onRead: (from: string) => reads.add({ from }),
    onDropped: (lied: boolean) => dropped.add({ why: lied ? 'lied' : 'silent' }),
    watch(read: { pending: () => number; unarchived: () => number }): void {
      metrics.gauge('queue_pending_blobs', 'accepted blobs that are not confirmed', read.pending);
      metrics.gauge(
        'archive_waiting_blobs',
        'blobs that are not in the storage lane yet',
        read.unarchived,
      );
    },
    watchRollups(read: { waitingInputs: () => number }): void {
      metrics.gauge('rollup_waiting_inputs', 'inputs that wait for a blob', read.waitingInputs);
    },
  };
}
