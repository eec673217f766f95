import { appendFileSync, existsSync, readFileSync } from 'node:fs';

import { parse } from 'dotenv';

import { Problem } from './problem.ts';
import { makeRootKey, ROOT_KEY_NAME } from './root_key.ts';

/** What to append to a file's text so that its last line is the root key, in the file's own line endings. */
export function rootKeyLine(text: string, rootKey: string): string {
  const newline = text.includes('\r\n') ? '\r\n' : '\n';
  const lineIsOpen = text !== '' && !/[\r\n]$/.test(text);
  return `${lineIsOpen ? newline : ''}${ROOT_KEY_NAME}=${rootKey}${newline}`;
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

/** The root key in the file as wrangler reads it, which is by dotenv's grammar; an empty value is none. */
export function readRootKey(path: string): string | undefined {
  return parse(readText(path))[ROOT_KEY_NAME] || undefined;
}

/**
 * Adds a random root key to the file where it has none. Nothing that is there changes, which is why it appends;
 * a new file is for its owner's eyes only.
 */
export function ensureRootKey(path: string): void {
  if (readRootKey(path) !== undefined) return;
  const rootKey = makeRootKey();
  const line = rootKeyLine(readText(path), rootKey);
  onFile(path, () => appendFileSync(path, line, { mode: 0o600 }));
  if (readRootKey(path) !== rootKey) {
    throw new Problem(
      `The last lines of ${path} swallow the ${ROOT_KEY_NAME} that was added after them. Please mend them.`,
    );
  }
}
