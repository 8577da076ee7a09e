// A remote store of loads: a thread with an HTTP server that answers a load after the latency that its path names.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '@cairn/base';
import { BYTES_PER_LOAD } from '@cairn/pora';

const { sealed } = workerData as { sealed: Uint8Array };
const server = createServer((request, response) => {
  const [, latencyMs, load] = request.url!.split('/').map(Number) as [number, number, number];
  const answer = (): void => {
    const from = load * BYTES_PER_LOAD;
    response.writeHead(200, { 'content-length': BYTES_PER_LOAD });
    // A copy: a socket does not take shared memory.
    response.end(Uint8Array.from(sealed.subarray(from, from + BYTES_PER_LOAD)));
  };
  void systemClock.sleep(latencyMs).then(answer);
});
server.listen(0, '127.0.0.1', () => {
  parentPort!.postMessage((server.address() as AddressInfo).port);
});
