export * from './async.ts';
export * from './brand.ts';
export * from './budget.ts';
export * from './bytes.ts';
export * from './clock.ts';
export * from './errors.ts';
export * from './logger.ts';
export * from './math.ts';
