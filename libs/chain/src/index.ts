export * from './errors.ts';
export * from './follower.ts';
export { chunkRewardsAbi } from './generated/chunk-rewards-abi.ts';
export { fixedPriceMarketAbi } from './generated/fixed-price-market-abi.ts';
export { flowAbi } from './generated/flow-abi.ts';
export * from './reader.ts';
export * from './types.ts';
export * from './writer.ts';
