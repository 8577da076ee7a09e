// Prints what a suite measured as text for people; the JSON has the same and the samples.
import type { BenchFigure, BenchHeader, BenchRatio, BenchRow, SuiteResult } from './harness.ts';

const number = (value: number): string =>
  value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);

function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) =>
      row
        .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
        .join('  '),
    )
    .join('\n');
}

function rate(row: BenchRow): string {
  if (row.megabytesPerSecond !== undefined) return `${number(row.megabytesPerSecond)} MB/s`;
  const perSecond = (row.millionPerSecond ?? 0) * 1e6;
  if (perSecond >= 1e5) return `${number(perSecond / 1e6)} M/s`;
  if (perSecond >= 1e3) return `${number(perSecond / 1e3)} k/s`;
  return perSecond > 0 ? `${number(perSecond)} /s` : '';
}

function verdict({ value, atLeast }: BenchRatio): string {
  if (atLeast === undefined) return '';
  return `${value >= atLeast ? 'reached' : 'MISSED'}: at least ${atLeast}`;
}

function limit({ value, atMost, unit }: BenchFigure): string {
  if (atMost === undefined) return '';
  return `${value <= atMost ? 'reached' : 'MISSED'}: at most ${number(atMost)} ${unit}`;
}

/** One line about the machine. */
export function headerText({ cpu, cores, node, date }: BenchHeader): string {
  return `${cpu}, ${cores} cores, Node ${node}, ${date}`;
}

export function suiteText(name: string, result: SuiteResult): string {
  const parts = [`\n${name}`];
  if (result.rows.length > 0) {
    parts.push(
      table([
        ['case', 'p50', 'min', 'rate'],
        ...result.rows.map((row) => [
          row.name,
          `${number(row.p50Ms)} ms`,
          `${number(row.minMs)} ms`,
          rate(row),
        ]),
      ]),
    );
  }
  if (result.ratios.length > 0) {
    parts.push(
      table([
        ['ratio of speeds, median of rounds', 'value', ''],
        ...result.ratios.map((one) => [
          `${one.of} : ${one.over}`,
          `${number(one.value)} x`,
          verdict(one),
        ]),
      ]),
    );
  }
  if (result.figures && result.figures.length > 0) {
    parts.push(
      table([
        ['figure', 'value', ''],
        ...result.figures.map((one) => [one.name, `${number(one.value)} ${one.unit}`, limit(one)]),
      ]),
    );
  }
  parts.push(...result.notes.map((note) => `* ${note}`));
  return parts.join('\n\n').replace(/\n\n\*/g, '\n*');
}

/** A Markdown table. */
export function markdownTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
