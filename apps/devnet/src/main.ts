// `cairn devnet`: the network alone, without the first-run story.
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import { parseDevnetOptions } from './options.ts';
import { reportFailure, supervise } from './supervise.ts';

enableCompileCache();

const argv = process.argv.slice(2);
const json = argv.includes('--json');
try {
  const options = parseDevnetOptions(argv);
  const say = (text: string): void => console.error(text);
  process.exit(
    await supervise(options, say, async ({ file }, upMs) => {
      if (json) console.log(JSON.stringify(file));
      else
        console.log(
          `devnet up in ${(upMs / 1000).toFixed(1)} s: ${join(options.dir, 'devnet.json')}\nchain ${file.rpcUrl}\nindexer ${file.indexerUrl}\n${file.storageNodes.map((node) => `node ${node.url} shard ${node.shardId}/${node.numShard} pid ${node.pid}`).join('\n')}`,
        );
    }),
  );
} catch (error) {
  process.exit(reportFailure(error, json));
}
