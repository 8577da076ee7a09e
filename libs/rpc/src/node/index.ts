export * from './http-server.ts';
export * from './http-transport.ts';
