import { SECRET_PATTERN } from '../../src/core/secret.ts';
import { UNKNOWN_IDS } from '../http/endpoints.ts';
import { strayKey } from '../support/edge.ts';

/** What a field of a vendor's body takes. */
export type Field = (
  | { readonly kind: 'text'; readonly min: number; readonly max: number }
  /** Kosli's name of an account. */
  | { readonly kind: 'kosliName' }
  | { readonly kind: 'serviceAccountId' }
  | { readonly kind: 'scopes' }
  | { readonly kind: 'duration' }
  /** RFC 3339, at most ten years off. */
  | { readonly kind: 'instant' }
  /** Zero is never. */
  | { readonly kind: 'unixSeconds' }
  | { readonly kind: 'unixMilliseconds' }
  | { readonly kind: 'integer'; readonly min: number; readonly max: number }
  | { readonly kind: 'word'; readonly words: readonly string[] }
) & {
  readonly isRequired?: true;
  /** Null is accepted; what the answer then shows: nothing, a value, or whatever it was or came to be. */
  readonly ifNull?: 'absent' | 'anything' | { readonly is: unknown };
  /** The answer does not show it. */
  readonly isHidden?: true;
};

interface Samples {
  readonly accepted: Readonly<Record<string, unknown>>;
  readonly refused: Readonly<Record<string, unknown>>;
  /** Each put second into a list that is otherwise good. */
  readonly refusedItems?: Readonly<Record<string, unknown>>;
}

const MINUTE_MS = 60_000;
const TEN_YEARS_MS = 3_653 * 24 * 60 * MINUTE_MS;
/** 2100-01-01, which nothing lives past. */
const LATEST_SECONDS = 4_102_444_800;

/** A number as it stands in JSON, where no number of the language's own is written so. */
const RAW = '@raw:';
const raw = (number: string): string => RAW + number;

/** JSON in which what {@link samplesOf} means as a bare number is one. */
export const jsonOf = (body: unknown): string =>
  JSON.stringify(body).replaceAll(new RegExp(`"${RAW}([^"]*)"`, 'g'), '$1');

const JSON_TYPES = {
  null: null,
  'a boolean': true,
  'a number': 7,
  'a string': 'text',
  'a list': [],
  'an object': {},
  'a list of ten thousand': Array.from({ length: 10_000 }, () => 0),
} as const;

/** A value of each JSON type that the field does not take. */
function wrongTypes(field: Field, own: keyof typeof JSON_TYPES): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(JSON_TYPES).filter(
      ([type]) => !type.startsWith(own) && !(type === 'null' && field.ifNull !== undefined),
    ),
  );
}

const each = (values: readonly string[]): Record<string, string> =>
  Object.fromEntries(values.map((value) => [JSON.stringify(value.slice(0, 30)), value]));

/** Names of accounts must differ, so every text that may become one is of its own. */
let texts = 0;
const uniqueCharacter = (): string => String.fromCodePoint(0x4e00 + texts++);
const filled = (length: number, filling: string): string =>
  length === 0 ? '' : uniqueCharacter() + filling.repeat(length - 1);

const repeated = (length: number, value: (index: number) => string): string[] =>
  Array.from({ length }, (_, index) => value(index));

const NO_INTEGERS = {
  'a half': 7.5,
  'as text': '7',
  'NaN as text': 'NaN',
  'far too much': Number.MAX_VALUE,
  infinite: raw('1e400'),
  'infinitely little': raw('-1e400'),
  'more than a number holds exactly': raw('9007199254740993'),
  negative: -1,
};

/** Values that a field accepts and refuses; times are counted from `now`. */
export function samplesOf(field: Field, now: number): Samples {
  const nothing: Record<string, unknown> = field.ifNull === undefined ? {} : { null: null };
  const inMs = (ms: number): string => new Date(now + ms).toISOString();
  const inSeconds = (seconds: number): number => Math.floor(now / 1_000) + seconds;
  switch (field.kind) {
    case 'text':
      return {
        accepted: {
          ...nothing,
          'the shortest': filled(field.min, ''),
          'the longest': filled(field.max, 'x'),
          'the longest, in emoji': filled(field.max, '🔑'),
          'marks, markup and SQL': `\u202e👩‍👩‍👧‍👦 <b>'; DROP TABLE api_keys; --</b> ${uniqueCharacter()}`,
        },
        refused: {
          ...wrongTypes(field, 'a string'),
          ...(field.min === 0 ? {} : { 'too short': '' }),
          'one too long': 'x'.repeat(field.max + 1),
          'one too long, in emoji': '🔑'.repeat(field.max + 1),
          NUL: 'a\0b',
          'a line end': 'a\nb',
          'an escape': '\u001b[31m',
          'a C1 control': 'a\u0085b',
          'a lone high surrogate': 'a\ud800b',
          'a lone low surrogate': 'a\udc00b',
          'an API key': strayKey(),
          'an API key within': `my key is ${strayKey()}.`,
        },
      };
    case 'kosliName':
      return {
        accepted: {
          'the shortest': 'K',
          'the longest': 'x'.repeat(64),
          'all kinds': 'A-z-09',
          'hyphens alone': '--',
        },
        refused: {
          ...wrongTypes(field, 'a string'),
          ...each([
            '',
            'x'.repeat(65),
            'a b',
            'a_b',
            'a.b',
            'a/b',
            'é',
            '🔑',
            'a\n',
            'a\0',
            'a\ud800',
            '٣',
            strayKey(),
          ]),
        },
      };
    case 'serviceAccountId':
      // An id that names nothing is for 404.
      return { accepted: {}, refused: wrongTypes(field, 'a string') };
    case 'scopes':
      return {
        accepted: {
          ...nothing,
          none: [],
          'all forms': ['*', 'files', 'files:*', 'files:read:all', 'A.b-c_9:0', 'mintmark:keys:*'],
          'a hundred': repeated(100, (index) => `files:${index}`),
          'one of 128 characters': ['x'.repeat(128)],
        },
        refused: {
          ...Object.fromEntries(
            Object.entries(wrongTypes(field, 'a list')).filter(([type]) => !type.startsWith('a list')),
          ),
          'a hundred and one': repeated(101, (index) => `files:${index}`),
          'ten thousand': repeated(10_000, () => 'a'),
          'one as text': 'files:read',
        },
        refusedItems: {
          ...each([
            'x'.repeat(129),
            '',
            'a:',
            ':a',
            'a::b',
            'a:*:b',
            'a*',
            'a b',
            'a\n',
            'é',
            '🔑',
            'a\0',
            'a\ud800',
            'mintmark',
            'Mintmark:x',
            'mintmark:unknown',
            'mintmark:keys',
            'mintmark:keys:write:all',
            strayKey(),
          ]),
          'a number': 7,
          null: null,
          'a list': ['a'],
          'an object': {},
        },
      };
    case 'duration':
      return {
        accepted: {
          ...nothing,
          ...each(['1s', '60m', '24h', '30d', '1w', '3653d', '521w', '87672h', '315619200s']),
        },
        refused: {
          ...wrongTypes(field, 'a string'),
          ...each([
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
            'NaNd',
            '2030-01-31T12:00:00Z',
          ]),
        },
      };
    case 'instant':
      return {
        accepted: {
          ...nothing,
          soon: inMs(MINUTE_MS),
          'nearly ten years off': inMs(TEN_YEARS_MS - MINUTE_MS),
          'with an offset': inMs(MINUTE_MS).replace('Z', '-02:30'),
        },
        refused: {
          ...wrongTypes(field, 'a string'),
          ...each([
            inMs(0),
            inMs(-MINUTE_MS),
            inMs(MINUTE_MS).replace('Z', '+00:02'),
            '1970-01-01T00:00:00Z',
            inMs(TEN_YEARS_MS + MINUTE_MS),
            '2030-01-31T12:00:00',
            '2030-01-31',
            '2030-01-31 12:00:00Z',
            '2030-02-30T12:00:00Z',
            '2030-13-01T12:00:00Z',
            '2030-01-31T25:00:00Z',
            '+010000-01-01T00:00:00Z',
            '1900000000000',
            'tomorrow',
            '1d',
            '',
            '2030-01-31T12:00:00Z\n',
          ]),
          'epoch milliseconds': 1_900_000_000_000,
        },
      };
    case 'unixSeconds':
      return {
        accepted: {
          ...nothing,
          never: 0,
          'never, negative': raw('-0'),
          soon: inSeconds(60),
          'with an exponent': raw('4.1024448e9'),
          'the latest': LATEST_SECONDS,
        },
        refused: {
          ...wrongTypes(field, 'a number'),
          ...NO_INTEGERS,
          'one second ago': inSeconds(-1),
          'the epoch': 1,
          'past the latest': LATEST_SECONDS + 1,
          'in milliseconds': now + MINUTE_MS,
          'RFC 3339': inMs(MINUTE_MS),
        },
      };
    case 'unixMilliseconds':
      return {
        accepted: {
          soon: now + MINUTE_MS,
          'with an exponent': raw('4.1024448e12'),
          'the latest': LATEST_SECONDS * 1_000,
        },
        refused: {
          ...wrongTypes(field, 'a number'),
          ...NO_INTEGERS,
          zero: 0,
          now,
          'past the latest': LATEST_SECONDS * 1_000 + 1,
          'in seconds': inSeconds(60),
          'RFC 3339': inMs(MINUTE_MS),
        },
      };
    case 'integer':
      return {
        accepted: { 'the least': field.min, 'the most': field.max },
        refused: {
          ...wrongTypes(field, 'a number'),
          ...NO_INTEGERS,
          'one less': field.min - 1,
          'one more': field.max + 1,
        },
      };
    case 'word':
      return {
        accepted: { ...nothing, ...each(field.words) },
        refused: {
          ...wrongTypes(field, 'a string'),
          ...each(['another', '', `${field.words[0]}`.toUpperCase(), ` ${field.words[0]}`, 'constructor']),
          'an API key': strayKey(),
        },
      };
  }
}

/** What an answer shows of a value that was accepted; `undefined` where it may show anything. */
export function shownOf(field: Field, value: unknown): unknown {
  if (value === null && field.ifNull !== 'absent')
    return typeof field.ifNull === 'object' ? field.ifNull.is : undefined;
  if (field.kind === 'instant' && typeof value === 'string') return new Date(value).toISOString();
  return typeof value === 'string' && value.startsWith(RAW)
    ? Math.abs(Number(value.slice(RAW.length)))
    : value;
}

/** What a part of a path that names a thing may be, and names none; nothing here is percent-encoded yet but what must be. */
export function strayNames(kind: keyof typeof UNKNOWN_IDS): Record<string, string> {
  const unknown = UNKNOWN_IDS[kind];
  return {
    unknown,
    'in upper case': unknown.toUpperCase(),
    'too short': unknown.slice(0, -1),
    'too long': `${unknown}0`,
    'of 8,000 characters': `${unknown}${'0'.repeat(8_000)}`,
    'a wildcard': '%25',
    'a quote': "'%20OR%201=1--",
    NUL: '%00',
    'NUL after it': `${unknown}%00`,
    'not UTF-8': '%FF',
    'a stray percent sign': '%',
    emoji: '%F0%9F%94%91',
    'dots, encoded': '%2E%2E%2F',
  };
}

/** Fields that the contract, a row or another format has: none may reach the keyring by a format that has no such field. */
export const EXTRAS: Readonly<Record<string, unknown>> = {
  unknown: 1,
  id: `sa_${'1'.repeat(24)}`,
  organizationId: `org_${'1'.repeat(24)}`,
  organization_id: `org_${'1'.repeat(24)}`,
  role: 'admin',
  permissions: ['mintmark:*'],
  scopes: ['mintmark:*'],
  metadata: { a: 1 },
  vendor: { blaxel: { is_client_secret: true } },
  environment: 'test',
  enabled: false,
  userId: 'someone',
  createdBy: 'someone',
  disabledAt: 1,
  revokedAt: 1,
  isNamedAlone: true,
  gracePeriod: '0s',
  untilFirstUse: true,
  expiresIn: 'never',
  constructor: 1,
  toString: 1,
  hasOwnProperty: 1,
  'né\u200f🔑': 1,
};

/** A body in which `__proto__` is a member, as JSON can write it and an object literal cannot. */
export const withProto = (body: object): string =>
  jsonOf({ '@proto': { role: 'admin', name: 'another' }, ...body }).replace('"@proto"', '"__proto__"');

/** Bodies that are not JSON in UTF-8. */
export const NOT_JSON: Readonly<Record<string, string | Uint8Array>> = {
  text: 'nonsense',
  'a blank': ' ',
  'an open brace': '{',
  'a trailing comma': '{"name":"x",}',
  'single quotes': "{'name':'x'}",
  'two values': '{}{}',
  NaN: 'NaN',
  NUL: '\0',
  'a raw control character in a string': '{"name":"a\u0001"}',
  'invalid UTF-8': Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d),
  'a surrogate in UTF-8': Uint8Array.of(0x22, 0xed, 0xa0, 0x80, 0x22),
  'UTF-16': Uint8Array.of(0xff, 0xfe, 0x7b, 0x00, 0x7d, 0x00),
  'brackets without end': '['.repeat(60_000),
};

/** Bodies that are JSON, and no object. */
export const NO_OBJECTS = [
  'null',
  '[]',
  '[{}]',
  '"text"',
  '7',
  'true',
  '['.repeat(30_000) + ']'.repeat(30_000),
];

/** What may be declared of a body and is not JSON. */
export const OTHER_TYPES = [
  'text/plain',
  'text/json',
  'application/jsonx',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=x',
  '',
  'application',
];

/** A body as JSON of so many bytes. */
export const padded = (body: unknown, bytes: number): string => jsonOf(body ?? {}).padEnd(bytes);

/** Text in chunks of some kilobytes, without a length. */
export function chunked(text: string): ReadableStream<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  let offset = 0;
  return new ReadableStream({
    pull(controller) {
      if (offset >= bytes.length) return controller.close();
      controller.enqueue(bytes.slice(offset, offset + 10_000));
      offset += 10_000;
    },
  });
}

/** Values of B3OS's `limit` and `offset` that are out of bounds, or no whole numbers as people write them. */
export const BAD_PAGES = (() => {
  const words = [
    '-1',
    '1.5',
    '',
    'abc',
    ' 1',
    '+1',
    '1e1',
    '0x1',
    'NaN',
    'Infinity',
    '1\0',
    '🔑',
    '9'.repeat(400),
  ];
  return { limit: ['0', '101', '1000', ...words], offset: ['10001', '99999', '100000', ...words] };
})();

/** Values of `Blaxel-Version` that are no dates. */
export const BAD_VERSIONS = [
  '',
  'x',
  '2024-13-01',
  '2024-02-30',
  '2024-1-1',
  '20240101',
  '2024-01-01T00:00:00Z',
  '2024-01-01, 2024-01-01',
];

/** A credential where other systems take a credential, and this one does not. */
export function misplaced(format: string, credential: string): Record<string, Record<string, string>> {
  const basic = { Authorization: `Basic ${btoa(`${credential}:`)}` };
  return {
    'X-API-Key': { 'X-API-Key': credential },
    Cookie: { Cookie: `Authorization=Bearer ${credential}` },
    'Proxy-Authorization': { 'Proxy-Authorization': `Bearer ${credential}` },
    ...(format === 'Kosli' ? {} : { Basic: basic }),
    ...(format === 'Blaxel'
      ? {}
      : { 'X-Blaxel-Authorization': { 'X-Blaxel-Authorization': `Bearer ${credential}` } }),
    ...(format === 'Blaxel' ? { 'Basic in its own': { 'X-Blaxel-Authorization': basic.Authorization } } : {}),
  };
}

/** Headers that carry a credential in a way that nobody understands. */
export function mistold(format: string, credential: string): Record<string, Record<string, string>> {
  const values = {
    bare: credential,
    'another scheme': `Token ${credential}`,
    'no credential': 'Bearer',
    'a scheme alone, twice': 'Bearer Bearer',
    'a blank within': `Bearer ${credential} x`,
    'a comma': `Bearer ${credential},`,
    quotes: `Bearer "${credential}"`,
    empty: '',
    ...(format === 'Kosli'
      ? {
          'Basic, not base64': `Basic ${credential}`,
          'Basic, empty': 'Basic ',
          'Basic, an empty user': `Basic ${btoa(`:${credential}`)}`,
          'Basic, not ASCII': `Basic ${btoa(`${credential}é:`)}`,
          'Basic, a control character': `Basic ${btoa(`${credential}\n:`)}`,
        }
      : {}),
  };
  return Object.fromEntries(
    Object.entries(values).map(([title, value]) => [title, { Authorization: value }]),
  );
}

/** Text without what differs from one thing to the next: ids, secrets and what is made of them. */
export function alike(text: string): string {
  return text
    .replaceAll(new RegExp(SECRET_PATTERN, 'g'), 'SECRET')
    .replaceAll(/\b(sa|key)_[0-9A-Za-z]{24}/g, '$1_ID')
    .replaceAll(/\bmk_live_[0-9A-Za-z]{4}\b/g, 'START')
    .replaceAll(/"fingerprint":"[^"]*"/g, '"fingerprint":"…"')
    .replaceAll(/\b[0-9a-f]{64}\b/g, 'DIGEST')
    .replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/gi, 'UUID');
}
