/*
 * Rollups on real DA nodes, a real disperser and a real chain: OP alt-DA and Nitro's DA provider. The clients are written from
 * spec/rollup-interfaces.md alone. One network for everything, one of its members lies to readers all the time.
 */
import { afterAll, beforeAll, describe } from 'vitest';
import { type RollupNetwork, startRollupNetwork } from '../src/rollup-network.ts';
import { fraudProofs } from './rollup/fraud-proofs.ts';
import { losses } from './rollup/losses.ts';
import { nitroProvider } from './rollup/nitro-provider.ts';
import { opAltDa } from './rollup/op-alt-da.ts';
import { daServe } from './rollup/serve.ts';
import { otherSettings } from './rollup/settings.ts';

let rollup: RollupNetwork;
const on = (): RollupNetwork => rollup;

beforeAll(async () => {
  rollup = await startRollupNetwork();
});
afterAll(() => rollup?.[Symbol.asyncDispose]());

describe('OP alt-DA', () => opAltDa(on));
describe("Nitro's DA provider", () => nitroProvider(on));
describe('fraud proofs', () => fraudProofs(on));
describe('other settings and a kill', () => otherSettings(on));
describe('cairn da serve, then losses', () => losses(on, daServe(on)));
