/** What a thrown value says, whatever it is, and what it says of its cause. */
export function reasonOf(thrown: unknown): string {
  try {
    const cause: unknown = thrown instanceof Error ? thrown.cause : undefined;
    return cause instanceof Error ? `${String(thrown)}: ${String(cause)}` : String(thrown);
  } catch {
    return 'something without words was thrown';
  }
}

/** A text for a log, where whoever made it may have said what it was given, as it was or in JSON. */
export function withoutSecrets(text: string, secrets: readonly string[]): string {
  return secrets
    .flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1)])
    .filter((secret) => secret !== '')
    .toSorted((one, other) => other.length - one.length)
    .reduce((kept, secret) => kept.replaceAll(secret, '[secret]'), text);
}
