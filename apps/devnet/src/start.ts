// `npm start`: a network, a real file on it, the file back and verified, a screenful that says so; then it stays up.
import { enableCompileCache } from 'node:module';
import { parseDevnetOptions } from './options.ts';
import { tellAnswers } from './story/answers.ts';
import { storeFirstFile } from './story/first-file.ts';
import { storeFirstKey } from './story/first-key.ts';
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
      say('storing a file and a key, reading both back');
      // One after the other: both are paid by the account that the user's own commands will use.
      const first = await storeFirstFile(options.dir, network);
      const key = await storeFirstKey(options.dir);
      const verifiedMs = Math.round(performance.now() - started);
      if (!json) {
        console.log(screen(options.dir, network, { file: first, key, upMs }));
        void tellAnswers(network, say);
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
          endpoints: {
            rpcUrl: network.rpcUrl,
            indexerUrl: network.indexerUrl,
            kvUrl: network.kvUrl,
            storageNodes: network.storageNodes.map((node) => node.url),
          },
        }),
      );
    }),
  );
} catch (error) {
  process.exit(reportFailure(error, json));
}
