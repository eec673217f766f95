import { appendFileSync, existsSync, readFileSync } from 'node:fs';

import { Problem } from './problem.ts';
import { makeRootKey, ROOT_KEY_NAME } from './root_key.ts';

/**
 * dotenv 16's grammar, which is what wrangler reads `.dev.vars` by. Node's `util.parseEnv` differs from it
 * in `KEY: value`, a byte order mark, an empty value followed by a space, and a lone apostrophe.
 */
const ASSIGNMENT =
  /^\s*(?:export\s+)?([\w.-]+)(?:\s*=\s*?|:\s+?)(\s*'(?:\\'|[^'])*'|\s*"(?:\\"|[^"])*"|\s*`(?:\\`|[^`])*`|[^#\r\n]+)?\s*(?:#.*)?$/gm;

function unquote(written: string): string {
  const value = written.trim();
  const bare = value.replace(/^(['"`])([\s\S]*)\1$/gm, '$2');
  return value.startsWith('"') ? bare.replaceAll('\\n', '\n').replaceAll('\\r', '\r') : bare;
}

/** The variables of a `.dev.vars` file, as wrangler hands them to the Worker; the last of a name counts. */
export function parseDevVars(text: string): Map<string, string> {
  const variables = new Map<string, string>();
  for (const [, name = '', written = ''] of text.replace(/\r\n?/g, '\n').matchAll(ASSIGNMENT)) {
    variables.set(name, unquote(written));
  }
  return variables;
}

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

/** The root key in the file, if there is one; an empty value is none. */
export function readRootKey(path: string): string | undefined {
  return parseDevVars(readText(path)).get(ROOT_KEY_NAME) || undefined;
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
