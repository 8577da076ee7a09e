export * from './anvil.ts';
export * from './data.ts';
export * from './net.ts';
export * from './processes.ts';
export * from './virtual-clock.ts';
