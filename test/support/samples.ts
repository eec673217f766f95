const JSON_TYPES = {
  null: null,
  'a boolean': true,
  'a number': 7,
  'a string': 'text',
  'a list': [],
  'an object': {},
} as const;

export type JsonType = keyof typeof JSON_TYPES;

/** A value of each JSON type but a field's own, and but null where the field takes it. */
export function otherTypes(own: JsonType, isNullable: boolean): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(JSON_TYPES).filter(([type]) => type !== own && !(type === 'null' && isNullable)),
  );
}

/** From an id that names nothing, ids in a path that name nothing either; percent-encoded where they must be. */
export const strayIds = (unknown: string): Record<string, string> => ({
  unknown,
  'in upper case': unknown.toUpperCase(),
  'too short': unknown.slice(0, -1),
  'too long': `${unknown}0`,
  'of 8,000 characters more': `${unknown}${'0'.repeat(8_000)}`,
  'a wildcard': '%25',
  'a quote': "'%20OR%201=1--",
  NUL: '%00',
  'not UTF-8': '%FF',
  emoji: '%F0%9F%94%91',
});
