/** The most bytes that a body may have. */
export const KIB_64 = 65_536;

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

/** Bodies that are JSON, and no object, by how each begins. */
export const NO_OBJECTS: Readonly<Record<string, string>> = Object.fromEntries(
  ['null', '[]', '[{}]', '"text"', '7', 'true', '['.repeat(30_000) + ']'.repeat(30_000)].map((body) => [
    body.slice(0, 10),
    body,
  ]),
);

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

/** A body and what its headers say of it. */
interface SentBody {
  readonly body: string | ReadableStream<Uint8Array>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A body as JSON of so many bytes. */
const padded = (body: unknown, bytes: number): string => JSON.stringify(body ?? {}).padEnd(bytes);

/** Text in chunks of some kilobytes, without a length. */
function chunked(text: string): ReadableStream<Uint8Array> {
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

/** A good body, of as many bytes as it may have. */
export const FULL: Readonly<Record<string, (body: unknown) => SentBody>> = {
  '64 KiB': (body) => ({ body: padded(body, KIB_64) }),
  '64 KiB by its length': (body) => ({
    body: padded(body, KIB_64),
    headers: { 'Content-Length': String(KIB_64) },
  }),
  '64 KiB in chunks': (body) => ({ body: chunked(padded(body, KIB_64)) }),
};

/** A body that would be good, were it not too large by what it says of its length or by its bytes. */
export function tooLarge(body: unknown): Record<string, SentBody> {
  const tooLong = padded(body, KIB_64 + 1);
  return {
    'a length of 64 KiB + 1': {
      body: JSON.stringify(body ?? {}),
      headers: { 'Content-Length': String(KIB_64 + 1) },
    },
    '64 KiB + 1 without a length': { body: tooLong },
    '64 KiB + 1 in chunks': { body: chunked(tooLong) },
    '64 KiB + 1 in chunks under a false length': {
      body: chunked(tooLong),
      headers: { 'Content-Length': '2' },
    },
    '64 KiB + 1 under a length that is no number': { body: tooLong, headers: { 'Content-Length': 'many' } },
  };
}

/** A body of blanks that goes on until its reader has enough of it. */
export function endless(): { body: ReadableStream<Uint8Array>; isCancelled: () => boolean } {
  let isCancelled = false;
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new Uint8Array(1_024).fill(0x20)),
    cancel: () => {
      isCancelled = true;
    },
  });
  return { body, isCancelled: () => isCancelled };
}

/** A body that begins, and does not go on. */
export const stalling = (): ReadableStream<Uint8Array> =>
  new ReadableStream({ start: (controller) => controller.enqueue(new TextEncoder().encode('{')) });

/** A body whose sender is lost. */
export const breakingOff = (): ReadableStream<Uint8Array> =>
  new ReadableStream({ pull: (controller) => controller.error(new Error('the connection was lost')) });
