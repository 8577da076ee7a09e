export * from './identity.ts';
export * from './libp2p-network.ts';
export { machineLimits } from './machine.ts';
