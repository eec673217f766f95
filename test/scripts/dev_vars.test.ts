import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { unstable_getVarsForDev as wranglerVars } from 'wrangler';

import { ensureSecret, readSecret } from '../../scripts/dev_vars.ts';
import { ROOT_KEY_NAME, SIGNING_KEY_NAME } from '../../scripts/secrets.ts';

const RANDOM = /^[\w-]{43}$/;
const OWN = 'a-root-key-of-my-own-with-32-characters';

let directory: string;
let path: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'mintmark-dev-vars-'));
  path = join(directory, '.dev.vars');
});
afterEach(() => rmSync(directory, { recursive: true }));

function wranglerReads(): Record<string, unknown> {
  const vars = wranglerVars(join(directory, 'wrangler.toml'), undefined, {}, undefined, true);
  return Object.fromEntries(
    Object.entries(vars).map(([name, binding]) => [name, 'value' in binding ? binding.value : undefined]),
  );
}

describe('a file without a root key keeps every byte and gets one at its end', () => {
  it.each([
    ['empty', '', '\n'],
    ['a line', 'A=1\n', '\n'],
    ['no newline at the end', 'A=1', '\n'],
    ['CRLF', 'A=1\r\nB=2\r\n', '\r\n'],
    ['CRLF, none at the end', 'A=1\r\nB=2', '\r\n'],
    ['the key commented out', `# ${ROOT_KEY_NAME}=${OWN}\nA=1 # ${ROOT_KEY_NAME}=${OWN}\n`, '\n'],
    ['the key empty', `${ROOT_KEY_NAME}=\n`, '\n'],
    ["the key inside another's value", `A="\n${ROOT_KEY_NAME}=${OWN}\n"\n`, '\n'],
    [
      'another name that ends or begins alike',
      `${ROOT_KEY_NAME}_PREVIOUS=${OWN}\nMY_${ROOT_KEY_NAME}=${OWN}\n`,
      '\n',
    ],
    ['a lone apostrophe', "A=it's\n", '\n'],
    ['an open quote', 'A="open', '\n'],
    ['an empty value at the end', 'A= ', '\n'],
    ['bytes that are no UTF-8', Buffer.from([0x41, 0x3d, 0xff, 0xfe, 0x0a]), '\n'],
  ])('%s', (_name, before, newline) => {
    writeFileSync(path, before);
    ensureSecret(path, ROOT_KEY_NAME);
    const after = readFileSync(path);
    const rootKey = readSecret(path, ROOT_KEY_NAME) ?? '';
    expect(rootKey).toMatch(RANDOM);
    expect(after.subarray(0, before.length)).toEqual(Buffer.from(before));
    expect(after.subarray(before.length).toString()).toMatch(
      new RegExp(`^(${newline})?${ROOT_KEY_NAME}=${rootKey}${newline}$`),
    );
    expect(wranglerReads()[ROOT_KEY_NAME]).toBe(rootKey);
    ensureSecret(path, ROOT_KEY_NAME);
    expect(readFileSync(path)).toEqual(after);
  });
});

describe('a file with a root key stays as it is, and the key is read as wrangler reads it', () => {
  it.each([
    ['bare', `${ROOT_KEY_NAME}=${OWN}`, OWN],
    ['CRLF', `A=1\r\n${ROOT_KEY_NAME}=${OWN}\r\nB=2\r\n`, OWN],
    ['exported', `export ${ROOT_KEY_NAME}=${OWN}\n`, OWN],
    ['with spaces', `  ${ROOT_KEY_NAME} = ${OWN}  \n`, OWN],
    ['with a colon', `${ROOT_KEY_NAME}: ${OWN}\n`, OWN],
    ['in double quotes', `${ROOT_KEY_NAME}="${OWN}#1" # mine\n`, `${OWN}#1`],
    ['in single quotes', `${ROOT_KEY_NAME}='${OWN}"1'\n`, `${OWN}"1`],
    ['in backticks', `${ROOT_KEY_NAME}=\`${OWN}\`\n`, OWN],
    ['cut at #', `${ROOT_KEY_NAME}=${OWN}#rest\n`, OWN],
    ['twice', `${ROOT_KEY_NAME}=first\n${ROOT_KEY_NAME}=${OWN}\n`, OWN],
    ['after a byte order mark', `\uFEFF${ROOT_KEY_NAME}=${OWN}\n`, OWN],
    ['after a lone apostrophe', `A=it's\n${ROOT_KEY_NAME}=${OWN}\nB=it's\n`, OWN],
    ['too short', `${ROOT_KEY_NAME}=short\n`, 'short'],
  ])('%s', (_name, before, expected) => {
    writeFileSync(path, before);
    ensureSecret(path, ROOT_KEY_NAME);
    expect(readFileSync(path, 'utf8')).toBe(before);
    expect(readSecret(path, ROOT_KEY_NAME)).toBe(expected);
    expect(wranglerReads()[ROOT_KEY_NAME]).toBe(expected);
  });
});

it('a new file is for its owner alone', () => {
  ensureSecret(path, ROOT_KEY_NAME);
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

it('a signing key is a private JWK between apostrophes, another one in each file', () => {
  writeFileSync(path, "A=it's\n");
  ensureSecret(path, ROOT_KEY_NAME);
  ensureSecret(path, SIGNING_KEY_NAME);
  const made = readSecret(path, SIGNING_KEY_NAME) ?? '';
  expect(JSON.parse(made)).toEqual({
    kty: 'EC',
    crv: 'P-256',
    x: expect.stringMatching(RANDOM),
    y: expect.stringMatching(RANDOM),
    d: expect.stringMatching(RANDOM),
  });
  expect(wranglerReads()).toMatchObject({ A: "it's", [SIGNING_KEY_NAME]: made });
  const kept = readFileSync(path);
  ensureSecret(path, SIGNING_KEY_NAME);
  expect(readFileSync(path)).toEqual(kept);
  const other = join(directory, 'other.vars');
  ensureSecret(other, SIGNING_KEY_NAME);
  expect(readSecret(other, SIGNING_KEY_NAME)).not.toBe(made);
});

it.each([
  ['A:\n', ROOT_KEY_NAME],
  ['A:\n', SIGNING_KEY_NAME],
] as const)('a file that would swallow the secret is refused, and stays: %j', (before, name) => {
  writeFileSync(path, before);
  expect(() => ensureSecret(path, name)).toThrow(/swallow/);
  expect(readFileSync(path, 'utf8')).toBe(before);
});

it('what is no file is refused by name', () => {
  expect(() => ensureSecret(directory, ROOT_KEY_NAME)).toThrow(directory);
});
