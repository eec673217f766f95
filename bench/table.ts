import { isMet, type Comparison, type Figures, type Report } from './report.ts';

const HEADER = [
  'what',
  'a second',
  'p50 ms',
  'p99 ms',
  'CPU µs',
  'beside',
  'a second',
  'CPU µs',
  'ratio (rounds)',
  'aim',
];

/** The report as Markdown: what was measured on what, the comparisons, the start. */
export function markdownOf(report: Report): string {
  const { machine, versions, rounds, secondsEach, comparisons, startUp, size } = report;
  const software = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const rows = comparisons.map(rowOf);
  const [lowest, highest] = startUp.spread;
  return [
    `${machine}; ${software.join(', ')}. Medians of ${rounds} rounds of ${secondsEach} s each side, in turn.`,
    '',
    ...[HEADER, HEADER.map((_, index) => (index === 0 || index === 5 ? '---' : '---:')), ...rows].map(
      (cells) => `| ${cells.join(' | ')} |`,
    ),
    '',
    `Code: ${kilobytes(size.uploaded)} KB gzipped; ${kilobytes(size.startUp)} of it are set up at an isolate's start ` +
      `(aim ≤ ${kilobytes(size.aim)}${size.startUp <= size.aim ? '' : ' missed'}). ` +
      `That start takes ${startUp.beyondMs.toFixed(0)} ms of CPU more than a bare Worker's, the first answer included ` +
      `(${lowest.toFixed(0)} to ${highest.toFixed(0)}; ${startUp.isolates} isolates at a time).`,
  ].join('\n');
}

function rowOf(comparison: Comparison): string[] {
  const { name, beside, measure, ours, theirs, ratio, spread, aim } = comparison;
  const [lowest, highest] = spread;
  const bound = measure === 'cpu' ? '≤' : '≥';
  return [
    name,
    count(ours.perSecond),
    milliseconds(ours, 'p50Ms'),
    milliseconds(ours, 'p99Ms'),
    microseconds(ours),
    beside,
    count(theirs.perSecond),
    microseconds(theirs),
    `${ratio.toFixed(2)} (${lowest.toFixed(2)}–${highest.toFixed(2)})`,
    aim === null ? '' : `${bound} ${aim}${isMet(comparison) ? '' : ' missed'}`,
  ];
}

const count = (number: number): string => Math.round(number).toLocaleString('en');

const kilobytes = (bytes: number): string => (bytes / 1_000).toFixed(1);

const milliseconds = (figures: Figures, name: 'p50Ms' | 'p99Ms'): string =>
  figures[name] < 10 ? figures[name].toPrecision(2) : count(figures[name]);

const microseconds = ({ cpuMicroseconds }: Figures): string =>
  cpuMicroseconds < 10 ? cpuMicroseconds.toFixed(1) : count(cpuMicroseconds);
