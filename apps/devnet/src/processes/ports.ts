import { createServer } from 'node:net';

function isFree(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      const bound = typeof address === 'object' && address ? address.port : port;
      server.close(() => resolve(bound));
    });
  });
}

/** The wanted port when it is free and not taken by an earlier call, else any free one. */
export async function choosePort(wanted: number, taken: Set<number>): Promise<number> {
  for (const candidate of [wanted, 0, 0, 0, 0]) {
    if (taken.has(candidate)) continue;
    const port = await isFree(candidate);
    if (port === undefined || taken.has(port)) continue;
    taken.add(port);
    return port;
  }
  throw new Error('no free port');
}
