// The limit that transfers are compared with: a plain Node HTTP server. PUT writes the body to a file and syncs it; GET
// streams a file. No hashing, no proofs, no database. node bare-server.ts FOLDER
import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { basename, join } from 'node:path';

const folder = process.argv[2]!;
const server = createServer({ highWaterMark: 262_144 }, (request, response) => {
  const path = join(folder, basename(request.url ?? '/x'));
  const run = async (): Promise<void> => {
    if (request.method === 'PUT') {
      const file = await open(path, 'w');
      for await (const part of request) await file.write(part as Uint8Array);
      await file.datasync();
      await file.close();
      response.end();
      return;
    }
    response.writeHead(200, { 'content-length': (await stat(path)).size });
    createReadStream(path, { highWaterMark: 1024 * 1024 }).pipe(response);
  };
  run().catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined));
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  console.log(JSON.stringify({ port: typeof address === 'object' && address ? address.port : 0 }));
});
process.on('SIGTERM', () => process.exit(0));
