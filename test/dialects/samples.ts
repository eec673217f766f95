import { SECRET_PATTERN } from '../../src/core/secret.ts';
import { UNKNOWN_IDS } from '../http/endpoints.ts';
import { strayKey } from '../support/edge.ts';
import { each } from '../support/records.ts';
import { otherTypes, strayIds, type JsonType } from '../support/samples.ts';
import { BAD_DURATIONS, badTexts, textsWithin, uniqueCharacter } from '../support/texts.ts';
import { badExpiries, goodExpiries, MINUTE_MS } from '../support/times.ts';

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

/** 2100-01-01, which nothing lives past. */
const LATEST_SECONDS = 4_102_444_800;

/** A number as it stands in JSON, where no number of the language's own is written so. */
const RAW = '@raw:';
const raw = (number: string): string => RAW + number;

/** JSON in which what {@link samplesOf} means as a bare number is one. */
export const jsonOf = (body: unknown): string =>
  JSON.stringify(body).replaceAll(new RegExp(`"${RAW}([^"]*)"`, 'g'), '$1');

/** A value of each JSON type that the field does not take. */
const wrongTypes = ({ ifNull }: Field, own: JsonType): Record<string, unknown> => ({
  ...otherTypes(own, ifNull !== undefined),
  'a list of ten thousand': Array.from({ length: 10_000 }, () => 0),
});

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
          'marks, markup and SQL': `\u202e👩‍👩‍👧‍👦 <b>'; DROP TABLE api_keys; --</b> ${uniqueCharacter()}`,
          ...textsWithin(field),
        },
        refused: {
          ...wrongTypes(field, 'a string'),
          ...badTexts(field),
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
          ...otherTypes('a list', field.ifNull !== undefined),
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
          ...each([...BAD_DURATIONS, 'NaNd']),
        },
      };
    case 'instant':
      return {
        accepted: { ...nothing, ...goodExpiries(now) },
        refused: { ...wrongTypes(field, 'a string'), ...badExpiries(now), now: inMs(0) },
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
    ...strayIds(unknown),
    'NUL after it': `${unknown}%00`,
    'a stray percent sign': '%',
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
