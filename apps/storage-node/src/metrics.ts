import { Metrics } from '@cairn/telemetry';

/** Values that are read when somebody asks for the metrics. */
export type NodeGauges = {
  syncBlock: () => number;
  headBlock: () => number;
  submissions: () => number;
  filesReceiving: () => number;
  poolBytes: () => number;
  storeSegments: () => number;
  sealBacklogLoads: () => number;
  storeQuarantinedBlocks: () => number;
  diskFreeBytes: () => number;
  peers: () => number;
  openChallenges: () => number;
  shardCount: () => number;
};

/** Every metric of the storage node. */
export function createNodeMetrics() {
  const metrics = new Metrics('storage_node');
  const gauge = metrics.gauge.bind(metrics);
  return {
    metrics,
    rpcSeconds: metrics.histogram('rpc_call_seconds', 'Time of JSON-RPC calls', [
      'method',
      'outcome',
    ]),
    ingestBytes: metrics.counter('ingest_stored_bytes_total', 'Segment bytes made durable'),
    ingestSegments: metrics.counter<'outcome'>(
      'ingest_segments_total',
      'Segments received, by what became of them',
      ['outcome'],
    ),
    syncBytes: metrics.counter('sync_fetched_bytes_total', 'Segment bytes fetched from peers'),
    syncFiles: metrics.counter('sync_files_total', 'Files that sync ended with', ['outcome']),
    repairBytes: metrics.counter(
      'repair_read_bytes_total',
      'Segment bytes read from peers to rebuild',
    ),
    repairSegments: metrics.counter(
      'repair_rebuilt_segments_total',
      'Segments rebuilt with parity',
    ),
    repairFailures: metrics.counter('repair_failures_total', 'Repairs that could not finish'),
    servedBytes: metrics.counter('p2p_served_bytes_total', 'Bytes of files sent to peers'),
    peersCutOff: metrics.counter('p2p_cut_off_total', 'Peers that were cut off'),
    scrubBytes: metrics.counter('scrub_checked_bytes_total', 'Stored bytes checked against roots'),
    damagedSegments: metrics.counter('scrub_damaged_segments_total', 'Segments found damaged'),
    leaseLooks: metrics.counter('keep_lease_looks_total', 'Looks at leases that decided something'),
    filesPruned: metrics.counter('keep_pruned_files_total', 'Files given up without a lease'),
    droppedSegments: metrics.counter<'reason'>(
      'keep_dropped_segments_total',
      'Segments taken away, by why',
      ['reason'],
    ),
    filesFinalized: metrics.counter('files_finalized_total', 'Files finalized'),
    custodyChallenges: metrics.counter<'outcome'>(
      'custody_challenges_total',
      'Challenges of our receipts, by what became of them',
      ['outcome'],
    ),
    sealedSeals: metrics.counter('mine_sealed_seals_total', 'Seals of 4 KiB made'),
    unsealedBytes: metrics.counter('unsealed_bytes_total', 'Stored bytes unsealed to be read'),
    badSeals: metrics.counter('mine_bad_seals_total', 'Hits on seals that another fork had made'),
    mineIterations: metrics.counter('mine_iterations_total', 'Nonces drawn'),
    mineLoads: metrics.counter('mine_loads_total', 'Loads hashed'),
    mineHits: metrics.counter('mine_hits_total', 'Seals that reached the target'),
    mineAnswers: metrics.counter<'result'>(
      'mine_answers_total',
      'Answers, by what became of them',
      ['result'],
    ),
    watch(read: NodeGauges): void {
      gauge('sync_block', 'Last processed block', read.syncBlock);
      gauge('sync_head_block', 'Head of the chain as last seen', read.headBlock);
      gauge('sync_submissions', 'Submissions in the log', read.submissions);
      gauge('files_receiving', 'Files that still lack segments', read.filesReceiving);
      gauge('pool_bytes', 'Bytes of segments that wait for their log entry', read.poolBytes);
      gauge('mine_seal_backlog_loads', 'Loads that wait to be sealed', read.sealBacklogLoads);
      gauge('store_segments', 'Segments stored', read.storeSegments);
      gauge(
        'store_quarantined_blocks',
        'Blocks of 4 KiB found damaged',
        read.storeQuarantinedBlocks,
      );
      gauge(
        'store_disk_free_bytes',
        'Room left on the disk of the data folder',
        read.diskFreeBytes,
      );
      gauge('p2p_peers', 'Peers connected and greeted', read.peers);
      gauge('keep_shard_count', 'Into how many shards the flow is divided here', read.shardCount);
      gauge('custody_open_challenges', 'Challenges that wait for an answer', read.openChallenges);
    },
  };
}
export type NodeMetrics = ReturnType<typeof createNodeMetrics>;
