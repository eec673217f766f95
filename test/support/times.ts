export const MINUTE_MS = 60_000;
const TEN_YEARS_MS = 3_653 * 24 * 60 * MINUTE_MS;

const at = (ms: number): string => new Date(ms).toISOString();

/** Expiries that may be, as RFC 3339 writes them. */
export const goodExpiries = (now: number): Record<string, string> => ({
  soon: at(now + MINUTE_MS),
  'nearly ten years off': at(now + TEN_YEARS_MS - MINUTE_MS),
  'with an offset': at(now + MINUTE_MS).replace('Z', '-02:30'),
});

/** Expiries out of bounds, and what is not RFC 3339. */
export const badExpiries = (now: number): Record<string, unknown> => ({
  past: at(now - MINUTE_MS),
  'past by its offset': at(now + MINUTE_MS).replace('Z', '+00:02'),
  'the epoch': '1970-01-01T00:00:00Z',
  'over ten years off': at(now + TEN_YEARS_MS + MINUTE_MS),
  'without offset': '2030-01-31T12:00:00',
  'without time': '2030-01-31',
  'with a blank for T': '2030-01-31 12:00:00Z',
  '30 February': '2030-02-30T12:00:00Z',
  'month 13': '2030-13-01T12:00:00Z',
  'hour 25': '2030-01-31T25:00:00Z',
  'the year 10000 as ISO 8601 writes it': '+010000-01-01T00:00:00Z',
  'epoch milliseconds': 1_900_000_000_000,
  'epoch milliseconds as text': '1900000000000',
  'a word': 'tomorrow',
  'a duration': '1d',
  empty: '',
  'a line end after it': '2030-01-31T12:00:00Z\n',
});
