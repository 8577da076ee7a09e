// The `miner_*` namespace on the admin port: what 0G's node has, and status and withdrawal.
import { SECTORS_PER_PRICING } from '@cairn/protocol';
import { invalidParams, type RpcMethod } from '@cairn/rpc';
import type { MineControl } from '../mine/control.ts';
import { parseUint } from './params.ts';

/** Only on a node that was given a key to mine with. */
export function minerMethods(control: MineControl): Record<string, RpcMethod> {
  return {
    miner_start: async () => {
      await control.start();
      return true;
    },
    miner_stop: async () => {
      await control.stop();
      return true;
    },
    miner_setStartPosition: ([position]) => {
      const sector = parseUint(position, 'position');
      if (sector % SECTORS_PER_PRICING !== 0)
        throw invalidParams('position', 'expected a multiple of 8 GiB in sectors');
      control.setStartPosition(sector);
      return true;
    },
    miner_getStatus: () => control.status(),
    miner_withdraw: () => control.withdraw(),
  };
}
