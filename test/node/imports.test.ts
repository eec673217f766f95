import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { afterAll, beforeAll, expect, it } from 'vitest';

/** What each folder of `src` may import of the others; the linter is to refuse the rest. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: [],
  contract: ['core'],
  credentials: ['core'],
  store: ['core'],
  verifier: ['core', 'credentials', 'store'],
  keyring: ['core', 'credentials', 'store'],
  http: ['core', 'contract', 'credentials', 'keyring', 'verifier', 'openapi'],
  standards: ['core', 'contract', 'credentials', 'keyring', 'verifier', 'http'],
  dialects: ['core', 'contract', 'credentials', 'keyring', 'verifier', 'http', 'standards'],
  rpc: ['core', 'contract', 'credentials', 'keyring', 'verifier'],
  openapi: ['core', 'contract'],
  client: ['contract'],
};
const FOLDERS = Object.keys(MAY_IMPORT);

let project: string;

beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), 'mintmark-imports-'));
  cpSync('.oxlintrc.json', join(project, '.oxlintrc.json'));
  for (const folder of FOLDERS) {
    mkdirSync(join(project, 'src', folder), { recursive: true });
    for (const other of [...FOLDERS.filter((each) => each !== folder), 'worker.ts']) {
      const path = other.endsWith('.ts') ? `../${other}` : `../${other}/thing.ts`;
      const file = join(project, 'src', folder, `${other.replace('.ts', '')}_user.ts`);
      writeFileSync(file, `import { thing } from '${path}';\n\nexport const used = thing;\n`);
    }
  }
});

afterAll(() => rmSync(project, { recursive: true }));

/** The files in which an import is refused, as `folder → imported`. */
function refused(): string[] {
  try {
    execFileSync(process.execPath, [resolve('node_modules/oxlint/bin/oxlint'), '-f', 'json'], {
      cwd: project,
    });
    return [];
  } catch (error) {
    const { stdout } = error as { stdout: Buffer };
    const { diagnostics } = JSON.parse(stdout.toString()) as {
      diagnostics: { code: string; filename: string }[];
    };
    return diagnostics
      .filter(({ code }) => code.includes('no-restricted-imports'))
      .map(({ filename }) => filename.replace(/^src\/(\w+)\/(\w+)_user\.ts$/, '$1 → $2'));
  }
}

it('knows every folder of src', () => {
  const folders = readdirSync('src', { withFileTypes: true }).filter((entry) => entry.isDirectory());
  expect(folders.map(({ name }) => name).toSorted()).toEqual(FOLDERS.toSorted());
});

it('refuses each import that does not run downward, and no other', () => {
  const upward = FOLDERS.flatMap((folder) =>
    [...FOLDERS, 'worker']
      .filter((other) => other !== folder && !MAY_IMPORT[folder]?.includes(other))
      .map((other) => `${folder} → ${other}`),
  );
  expect(refused().toSorted()).toEqual(upward.toSorted());
});
