// node script/deploy.ts --rpc-url URL --key-file FILE --preset devnet|mainnet --out FILE
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { Hex } from '@cairn/base';
import { PRESETS } from '@cairn/protocol';
import { deployStorage } from './deploy-storage.ts';

const { values } = parseArgs({
  options: {
    'rpc-url': { type: 'string' },
    'key-file': { type: 'string' },
    preset: { type: 'string', default: 'devnet' },
    out: { type: 'string' },
  },
});
const preset = PRESETS[values.preset as keyof typeof PRESETS];
if (!values['rpc-url'] || !values['key-file'] || !values.out || !preset) {
  console.error(
    'usage: deploy.ts --rpc-url URL --key-file FILE --preset devnet|mainnet --out FILE',
  );
  process.exit(2);
}
const deployment = await deployStorage({
  rpcUrl: values['rpc-url'],
  privateKey: readFileSync(values['key-file'], 'utf8').trim() as Hex,
  preset,
  log: (message) => console.error(message),
});
writeFileSync(values.out, `${JSON.stringify(deployment, null, 2)}\n`);
