export * from './stranger.ts';
