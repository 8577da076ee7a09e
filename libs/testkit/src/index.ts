export * from './anvil.ts';
export * from './da.ts';
export * from './data.ts';
export * from './kv/history.ts';
export * from './kv/model.ts';
export * from './net.ts';
export * from './processes.ts';
export * from './virtual-clock.ts';
