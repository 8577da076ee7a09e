export * from './client.ts';
export * from './da-node-client.ts';
export type { GrpcServiceName } from './definitions.ts';
export * from './disperser-client.ts';
export * from './server.ts';
export { GrpcStatusError } from './status.ts';
