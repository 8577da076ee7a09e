import { describe, expect, it } from 'vitest';
import { floorProblems } from '../src/floors.ts';

const FLOORS = { suite: { 'ours : theirs': 2, 'native : wasm': 3 } };
const measured = (value: number) => [{ of: 'ours', over: 'theirs', value }];

describe('--check', () => {
  it('names a ratio that is below its floor, and no other', () => {
    expect(floorProblems('suite', measured(1.994), FLOORS)).toEqual([
      'suite: ours : theirs is 1.99, below 2',
    ]);
    expect(floorProblems('suite', measured(2), FLOORS)).toEqual([]);
    const both = [...measured(1), { of: 'native', over: 'wasm', value: 2.5 }];
    expect(floorProblems('suite', both, FLOORS)).toHaveLength(2);
  });

  it('leaves out what was not measured, but not when nothing was', () => {
    expect(floorProblems('suite', measured(5), FLOORS)).toEqual([]);
    expect(floorProblems('suite', [], FLOORS)).toEqual([
      'suite: none of its floors names a ratio that was measured',
    ]);
    expect(floorProblems('another', measured(0), FLOORS)).toEqual([]);
  });

  it('fails a ratio that is not a number', () => {
    expect(floorProblems('suite', measured(Number.NaN), FLOORS)).toHaveLength(1);
  });
});
