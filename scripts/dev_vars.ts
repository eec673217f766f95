import { appendFileSync, existsSync, readFileSync } from 'node:fs';

import { parse } from 'dotenv';

import { Problem } from './problem.ts';
import { SECRETS, type SecretName } from './secrets.ts';

/** What to append to a file's text so that its last line is the secret, in the file's own line endings. */
export function secretLine(text: string, name: SecretName, secret: string): string {
  const newline = text.includes('\r\n') ? '\r\n' : '\n';
  const lineIsOpen = text !== '' && !/[\r\n]$/.test(text);
  // JSON stays whole between apostrophes, which no secret has.
  const written = /^[\w-]+$/.test(secret) ? secret : `'${secret}'`;
  return `${lineIsOpen ? newline : ''}${name}=${written}${newline}`;
}

function onFile<T>(path: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw new Problem(`${path} can't be used: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function readText(path: string): string {
  return existsSync(path) ? onFile(path, () => readFileSync(path, 'utf8')) : '';
}

/** A secret in the file as wrangler reads it, which is by dotenv's grammar; an empty value is none. */
export function readSecret(path: string, name: SecretName): string | undefined {
  return parse(readText(path))[name] || undefined;
}

/**
 * Adds a random secret to the file where it has none. Nothing that is there changes, which is why it appends;
 * a new file is for its owner's eyes only.
 */
export function ensureSecret(path: string, name: SecretName): void {
  const text = readText(path);
  if (parse(text)[name]) return;
  const secret = SECRETS[name]();
  const line = secretLine(text, name, secret);
  if (!isSame({ ...parse(text), [name]: secret }, parse(text + line))) {
    throw new Problem(
      `The last lines of ${path} would swallow ${name}, which belongs after them. Please mend them: a quote may be open.`,
    );
  }
  onFile(path, () => appendFileSync(path, line, { mode: 0o600 }));
}

function isSame(one: Readonly<Record<string, string>>, other: Readonly<Record<string, string>>): boolean {
  return (
    Object.keys(one).length === Object.keys(other).length &&
    Object.entries(one).every(([name, value]) => other[name] === value)
  );
}
