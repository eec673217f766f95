/** Each value under its name, made another. */
export function mapped<Value, Mapped>(
  record: Readonly<Record<string, Value>>,
  map: (value: Value, name: string) => Mapped,
): Record<string, Mapped> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value, key)]));
}

/** Each text under its own beginning, as JSON writes it. */
export const each = (values: readonly string[]): Record<string, string> =>
  Object.fromEntries(values.map((value) => [JSON.stringify(value.slice(0, 30)), value]));
