/** Names of accounts must differ, so every text that may become one is of its own. */
let texts = 0;
export const uniqueCharacter = (): string => String.fromCodePoint(0x4e00 + texts++);
const filled = (length: number, filling: string): string =>
  length === 0 ? '' : uniqueCharacter() + filling.repeat(length - 1);

/** How many characters a text may have. */
interface Bounds {
  readonly min: number;
  readonly max: number;
}

/** Texts of as few and as many characters as may be. */
export const textsWithin = ({ min, max }: Bounds): Record<string, string> => ({
  'the shortest': filled(min, ''),
  'the longest': filled(max, 'x'),
  'the longest, in emoji': filled(max, '🔑'),
});

/** Texts that are out of bounds, or hold what no text for people may. */
export const badTexts = ({ min, max }: Bounds): Record<string, string> => ({
  ...(min === 0 ? {} : { 'too short': 'x'.repeat(min - 1) }),
  'one too long': 'x'.repeat(max + 1),
  'one too long, in emoji': '🔑'.repeat(max + 1),
  NUL: 'a\0b',
  'a line end': 'a\nb',
  'an escape': '\u001b[31m',
  'a C1 control': 'a\u0085b',
  'a lone high surrogate': 'a\ud800b',
  'a lone low surrogate': 'a\udc00b',
});

/** Texts that are no durations, or durations of nothing or of more than ten years. */
export const BAD_DURATIONS = [
  '0d',
  '1.5d',
  '-1d',
  '+1d',
  '01d',
  '1d2h',
  '11y',
  '1D',
  '1 d',
  ' 1d',
  '1d\n',
  '1e3d',
  '3654d',
  '522w',
  '315619201s',
  `${'9'.repeat(400)}s`,
  '',
  'd',
  '1',
  'P1D',
  '٣d',
  '1d\0',
  '2030-01-31T12:00:00Z',
];
