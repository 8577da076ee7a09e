// `npm start`: a network, a real file on it, the file back and verified, a screenful that says so; then it stays up.
import { enableCompileCache } from 'node:module';
import { parseDevnetOptions } from './options.ts';
import { storeFirstFile } from './story/first-file.ts';
import { screen } from './story/screen.ts';
import { reportFailure, supervise } from './supervise.ts';

enableCompileCache();

const argv = process.argv.slice(2);
const json = argv.includes('--json');
try {
  const options = parseDevnetOptions(argv);
  const say = (text: string): void => {
    if (!json) console.error(text);
  };
  const started = performance.now();
  process.exit(
    await supervise(options, say, async ({ file: network }, upMs) => {
      say('storing a file and reading it back from another node');
      const first = await storeFirstFile(options.dir, network);
      const verifiedMs = Math.round(performance.now() - started);
      if (!json) {
        console.log(screen(options.dir, network, first, upMs));
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
          endpoints: {
            rpcUrl: network.rpcUrl,
            indexerUrl: network.indexerUrl,
            storageNodes: network.storageNodes.map((node) => node.url),
          },
        }),
      );
    }),
  );
} catch (error) {
  process.exit(reportFailure(error, json));
}
