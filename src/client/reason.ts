/** What a thrown value says, whatever it is. */
export function reasonOf(thrown: unknown): string {
  try {
    return String(thrown);
  } catch {
    return 'something without words was thrown';
  }
}

/** A reason that is for a log, where whoever gave it may have said what it was given. */
export function withoutSecrets(reason: string, secrets: readonly string[]): string {
  return secrets
    .filter((secret) => secret !== '')
    .reduce((kept, secret) => kept.replaceAll(secret, '[secret]'), reason);
}
