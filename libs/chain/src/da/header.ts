import { bytesToHex, CodedError, type Hash32, hexToBytes } from '@cairn/base';
import { keccak256, toRlp } from 'viem';

/** Fields of a header in RLP order as `eth_getBlockByNumber` names them; later forks append, none removes. */
const FIELDS = [
  'parentHash',
  'sha3Uncles',
  'miner',
  'stateRoot',
  'transactionsRoot',
  'receiptsRoot',
  'logsBloom',
  'difficulty',
  'number',
  'gasLimit',
  'gasUsed',
  'timestamp',
  'extraData',
  'mixHash',
  'nonce',
  'baseFeePerGas',
  'withdrawalsRoot',
  'blobGasUsed',
  'excessBlobGas',
  'parentBeaconBlockRoot',
  'requestsHash',
] as const;
/** Integers: minimal bytes, zero is empty. Everything else is bytes as they are. */
const INTEGERS = new Set<string>([
  'difficulty',
  'number',
  'gasLimit',
  'gasUsed',
  'timestamp',
  'baseFeePerGas',
  'blobGasUsed',
  'excessBlobGas',
]);

/** RLP of the header of a raw block, checked against the block's own hash. Throws `CHAIN_HEADER`. */
export function encodeBlockHeader(block: Readonly<Record<string, unknown>>): Uint8Array {
  const items: `0x${string}`[] = [];
  for (const name of FIELDS) {
    const value = block[name];
    if (typeof value !== 'string') break; // the fork that added it and what follows is not active here
    items.push(INTEGERS.has(name) ? minimal(value) : (value as `0x${string}`));
  }
  const rlp = toRlp(items);
  const hash = keccak256(rlp) as Hash32;
  if (hash !== block.hash)
    throw new CodedError({
      code: 'CHAIN_HEADER',
      kind: 'unavailable',
      message: `the header of block ${String(block.number)} does not hash to its hash`,
      hint: 'the chain has header fields that this version does not know',
      details: { expected: block.hash, actual: hash },
    });
  return hexToBytes(rlp);
}

function minimal(quantity: string): `0x${string}` {
  const value = BigInt(quantity);
  if (value === 0n) return '0x';
  const hex = value.toString(16);
  return bytesToHex(hexToBytes(`0x${hex.length % 2 === 0 ? hex : `0${hex}`}`));
}
