// `npm start`: a network, a real file, key and blob on it, all back and verified, a screenful that says so; then it stays up.
import { enableCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';
import { systemClock } from '@cairn/base';
import { parseDevnetOptions } from './options.ts';
import { tellAnswers } from './story/answers.ts';
import { storeFirstBlob } from './story/first-blob.ts';
import { storeFirstFile } from './story/first-file.ts';
import { storeFirstKey } from './story/first-key.ts';
import { screen } from './story/screen.ts';
import { reportFailure, supervise } from './supervise.ts';

enableCompileCache();

/** What goes in as the first blob. */
const BLOB = fileURLToPath(new URL('../../../package-lock.json', import.meta.url));

const argv = process.argv.slice(2);
const json = argv.includes('--json');
try {
  const options = parseDevnetOptions(argv);
  const say = (text: string): void => {
    if (!json) console.error(text);
  };
  const started = performance.now();
  process.exit(
    await supervise(options, say, async (running, upMs) => {
      const { file: network } = running;
      say('storing a file, a key and a blob, reading them back');
      const storage = async () => {
        // One after the other: both are paid by the account that the user's own commands will use.
        const file = await storeFirstFile(options.dir, network);
        return { first: file, key: await storeFirstKey(options.dir) };
      };
      const [{ first, key }, blob] = await Promise.all([
        storage(),
        storeFirstBlob(options.dir, running, BLOB),
      ]);
      const verifiedMs = Math.round(performance.now() - started);
      if (!json) {
        console.log(screen(options.dir, network, { file: first, key, blob, upMs }));
        void tellAnswers(network, say, systemClock);
        return;
      }
      console.log(
        JSON.stringify({
          verified: first.verified,
          root: first.root,
          txSeq: first.txSeq,
          bytes: first.bytes,
          timings: { upMs: Math.round(upMs), putMs: first.putMs, getMs: first.getMs, verifiedMs },
          wroteTo: first.wroteTo,
          readFrom: first.readFrom,
          kv: { key: key.key, value: key.value, txSeq: key.txSeq, setMs: key.setMs },
          ...(blob
            ? {
                da: {
                  confirmed: blob.confirmed,
                  verified: blob.verified,
                  blobKey: blob.blobKey,
                  bytes: blob.bytes,
                  members: blob.members,
                  putMs: blob.putMs,
                  getMs: blob.getMs,
                },
              }
            : {}),
          endpoints: {
            rpcUrl: network.rpcUrl,
            indexerUrl: network.indexerUrl,
            kvUrl: network.kvUrl,
            storageNodes: network.storageNodes.map((node) => node.url),
            disperserGrpc: network.da?.disperserGrpc,
            altDaUrl: network.da?.altDaUrl,
            nitroUrl: network.da?.nitroUrl,
            daNodes: network.da?.nodes.map((node) => node.url),
          },
        }),
      );
    }),
  );
} catch (error) {
  process.exit(reportFailure(error, json));
}
