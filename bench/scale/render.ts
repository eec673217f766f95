import { billOf, databaseBytes, keysInOneDatabase, totalOf } from './bill.ts';
import { dollarsOfMillion, PATHS } from './paths.ts';
import { PLAN_DOLLARS } from './prices.ts';
import type { Report } from './report.ts';
import type { Outcome } from './simulation.ts';

/** Queries a second that one database is taken to answer: 1 ms each, one after the other. */
const DATABASE_QUERIES = 1_000;

type Line = readonly [label: string, value: (outcome: Outcome) => string];

/** What docs/cost.md quotes: blocks of Markdown, as the formatter has it. */
export function render(report: Report): string[] {
  const { databaseBytes: bytes, memoryRecords, variants } = report;
  const sizes = [
    `- An isolate remembers ${count(memoryRecords)} records.`,
    `- A key takes ${count(databaseBytes(1, bytes))} bytes of D1: ${count(bytes.key)} itself, ` +
      `${count(bytes.minting)} the event of its minting, ${count(bytes.lastUse)} its last use.`,
    `- 10 GB hold ${count(keysInOneDatabase(bytes))} such keys. Each revocation adds an event of ${count(bytes.revocation)} bytes.`,
  ];
  return [
    table(report.growth, growthLines(report)),
    sizes.join('\n'),
    ...(variants.length === 0 ? [] : [table(variants, variantLines(report))]),
  ];
}

/** What a million verifications cost, by the way to their answer. */
export function renderPaths(): string {
  return written([
    [
      'a million verifications of keys that are',
      'KV reads',
      'KV writes',
      'D1 rows',
      '$ by HTTPS',
      '$ by a binding',
    ],
    ...PATHS.map((path) => [
      path.name,
      count(path.kvReads),
      count(path.kvWrites),
      count(path.rowsRead),
      cents(dollarsOfMillion(path, 'https')),
      cents(dollarsOfMillion(path, 'binding')),
    ]),
  ]);
}

function growthLines({ databaseBytes: bytes, valueBytes }: Report): Line[] {
  const bill = (outcome: Outcome) => billOf(outcome, bytes, valueBytes);
  return [
    ['keys', ({ world }) => count(world.keys)],
    ['verifications a second', ({ world }) => count(world.rate)],
    ['keys changed a day', ({ world }) => count(world.changesADay * world.keys)],
    ['isolates that serve', ({ isolates }) => count(isolates)],
    ['answered from memory', ({ shares }) => percent(shares.memory)],
    ['answered from KV', ({ shares }) => percent(shares.kv)],
    ['answered from D1: not in KV', ({ shares }) => percent(shares.d1Absent)],
    ['answered from D1: too old in KV', ({ shares }) => percent(shares.d1TooOld)],
    ['D1: queries a second', ({ d1 }) => figure(queriesOf(d1))],
    ['… for keys', ({ d1 }) => figure(d1.misses)],
    ['… the feed', ({ d1 }) => figure(d1.feed)],
    ['… last uses', ({ d1 }) => figure(d1.uses)],
    ['… changes and the schedule', ({ d1 }) => figure(d1.others)],
    ['D1: of what one database answers', ({ d1 }) => percent(queriesOf(d1) / DATABASE_QUERIES)],
    ['D1: rows read a second', ({ d1 }) => figure(d1.rowsRead)],
    ['D1: rows written a second', ({ d1 }) => figure(d1.rowsWritten)],
    ['D1: GB', ({ world }) => figure(databaseBytes(world.keys, bytes) / 1e9)],
    ['KV: reads a second', ({ kv }) => figure(kv.reads)],
    ['KV: writes a second', ({ kv }) => figure(kv.writes)],
    ['$ a month: requests over HTTPS', (outcome) => dollars(bill(outcome).requests)],
    ['$ a month: CPU', (outcome) => dollars(bill(outcome).cpu)],
    ['$ a month: KV reads', (outcome) => dollars(bill(outcome).kvReads)],
    ['$ a month: KV writes', (outcome) => dollars(bill(outcome).kvWrites)],
    ['$ a month: D1 rows read', (outcome) => dollars(bill(outcome).rowsRead)],
    ['$ a month: D1 rows written', (outcome) => dollars(bill(outcome).rowsWritten)],
    ['$ a month: storage', (outcome) => dollars(bill(outcome).storage)],
    ['$ a month: all, with the plan', (outcome) => dollars(PLAN_DOLLARS + totalOf(bill(outcome)))],
  ];
}

function variantLines({ databaseBytes: bytes, valueBytes }: Report): Line[] {
  const bill = (outcome: Outcome) => billOf(outcome, bytes, valueBytes);
  return [
    ['keys changed a day', ({ world }) => count(world.changesADay * world.keys)],
    ['changes in the snapshot', ({ world }) => count(world.changesTold)],
    ['last uses are written each', ({ world }) => `${count(world.usesEachSeconds)} s`],
    ['answered from KV', ({ shares }) => percent(shares.kv)],
    ['answered from D1: not in KV', ({ shares }) => percent(shares.d1Absent)],
    ['answered from D1: too old in KV', ({ shares }) => percent(shares.d1TooOld)],
    ['D1: queries a second', ({ d1 }) => figure(queriesOf(d1))],
    ['D1: rows written a second', ({ d1 }) => figure(d1.rowsWritten)],
    ['KV: writes a second', ({ kv }) => figure(kv.writes)],
    ['$ a month: KV writes', (outcome) => dollars(bill(outcome).kvWrites)],
    ['$ a month: D1 rows written', (outcome) => dollars(bill(outcome).rowsWritten)],
    ['$ a month: all, with the plan', (outcome) => dollars(PLAN_DOLLARS + totalOf(bill(outcome)))],
  ];
}

const queriesOf = ({ misses, feed, uses, others }: Outcome['d1']): number => misses + feed + uses + others;

function table(outcomes: readonly Outcome[], lines: readonly Line[]): string {
  return written(lines.map(([label, value]) => [label, ...outcomes.map(value)]));
}

const lineOf = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

/** The first row is the head; all but the first column are numbers. */
function written(rows: readonly (readonly string[])[]): string {
  const [head = [], ...body] = rows;
  const widths = head.map((_, column) => Math.max(3, ...rows.map((row) => row[column]?.length ?? 0)));
  const padded = (row: readonly string[]): string =>
    lineOf(
      widths.map((width, column) => {
        const cell = row[column] ?? '';
        return column === 0 ? cell.padEnd(width) : cell.padStart(width);
      }),
    );
  const rule = widths.map((width, column) =>
    column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`,
  );
  return [padded(head), lineOf(rule), ...body.map(padded)].join('\n');
}

const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat('en-US', { maximumSignificantDigits: 2 });

const count = (number: number): string => whole.format(number);
const figure = (number: number): string => (number < 100 ? short.format(number) : whole.format(number));
const dollars = (number: number): string => whole.format(number);
const cents = (number: number): string => number.toFixed(3);
const percent = (part: number): string => `${(100 * part).toFixed(part > 0 && part < 0.01 ? 2 : 1)} %`;
