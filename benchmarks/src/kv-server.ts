// Answers kv_getValue of the KV node and `bare_get`, one SQLite statement, on the same HTTP server and database:
//   node kv-server.ts DATABASE
import { silentLogger } from '@cairn/base';
import { loadNodeKernels } from '@cairn/kernels/node';
import { KvState, MIGRATIONS, valueMethods, Walker } from '@cairn/kv-node';
import { HttpServer } from '@cairn/rpc/node';
import { openDatabase } from '@cairn/store';

const db = openDatabase(process.argv[2]!, MIGRATIONS);
const { kernels } = await loadNodeKernels();
const state = new KvState(db, kernels, { maxStreams: 8 });
const get = db.prepare(
  'SELECT version, size, data FROM value WHERE stream = 1 AND key = ? ORDER BY version DESC LIMIT 1',
);
const server = new HttpServer(
  { log: silentLogger },
  {
    host: '127.0.0.1',
    port: 0,
    maxBodyBytes: 1024 * 1024,
    methods: {
      ...valueMethods({ state, walker: new Walker(state), maxQueryBytes: 262_144 }),
      bare_get: ([key]) => {
        const row = get.get(Buffer.from(String(key), 'base64')) as {
          version: number;
          size: number;
          data: Buffer;
        };
        return { version: row.version, data: row.data.toString('base64'), size: row.size };
      },
    },
  },
);
await server.start();
console.log(JSON.stringify({ url: server.url }));
process.on('SIGTERM', () => process.exit(0));
