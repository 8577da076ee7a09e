import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { CodedError, isPowerOfTwo } from '@cairn/base';
import { DEVNET } from '@cairn/protocol';

export type DevnetOptions = {
  /** Folder that holds everything. */
  dir: string;
  fresh: boolean;
  /** Trusted nodes. */
  nodes: number;
  /** Parts of the flow, one for each node in turn; without it the nodes are full, and two halves come on top. */
  shards: number | undefined;
  /** DA nodes, beside a disperser; 0 means neither. */
  da: number;
  /** Start a child again when it dies. */
  restart: boolean;
  stop: boolean;
  /** Storage nodes mine with a twentieth of a core each. */
  mine: boolean;
  once: boolean;
  json: boolean;
};

export const DA_NODES_MAX = 16;

const USAGE =
  'usage: devnet [--fresh] [--dir DIR] [--nodes N] [--shards S] [--da N] [--no-mine] [--restart] [--stop]';

/** Throws `CONFIG_FLAG`. */
export function parseDevnetOptions(argv: readonly string[]): DevnetOptions {
  const count = (text: string, name: string, max: number): number => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < 1 || value > max)
      throw flagError(`--${name} takes a number from 1 to ${max}`);
    return value;
  };
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        dir: { type: 'string', default: '.cairn' },
        fresh: { type: 'boolean', default: false },
        nodes: { type: 'string', default: '2' },
        shards: { type: 'string' },
        da: { type: 'string', default: '7' },
        restart: { type: 'boolean', default: false },
        stop: { type: 'boolean', default: false },
        'no-mine': { type: 'boolean', default: false },
        once: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
      },
    });
    const shards = values.shards === undefined ? undefined : count(values.shards, 'shards', 16);
    const nodes = count(values.nodes, 'nodes', 16);
    if (shards !== undefined && !isPowerOfTwo(shards))
      throw flagError('--shards takes a power of two');
    if (shards !== undefined && nodes < shards)
      throw flagError(
        `${nodes} nodes cannot keep ${shards} shards: give --nodes ${shards} or more`,
      );
    const da = values.da === '0' ? 0 : count(values.da, 'da', DA_NODES_MAX);
    if (da > 0 && da < DEVNET.da.minMembers)
      throw flagError(`--da takes 0, or a number from ${DEVNET.da.minMembers} to ${DA_NODES_MAX}`);
    return {
      ...values,
      da,
      dir: resolve(values.dir),
      nodes,
      shards,
      mine: !values['no-mine'],
    };
  } catch (error) {
    if (error instanceof CodedError) throw error;
    throw flagError(error instanceof Error ? error.message.split('\n')[0]! : String(error));
  }
}

function flagError(message: string): CodedError {
  return new CodedError({ code: 'CONFIG_FLAG', kind: 'invalid', message, hint: USAGE });
}
