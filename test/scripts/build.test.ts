import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';

import { afterAll, describe, expect, it } from 'vitest';

import { bundleWorker } from '../../scripts/bundle.ts';
import { replaceFiles } from '../../scripts/replace_files.ts';
import { copyProject } from './project_copy.ts';

const directory = mkdtempSync(join(tmpdir(), 'mintmark-build-'));
afterAll(() => rmSync(directory, { recursive: true }));

const filesIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(folder.length + 1))
    .toSorted();

describe('the modules of the Worker', () => {
  it('leave out of the start what no verification needs', async () => {
    const { files, startUp } = await bundleWorker();
    const textOf = (names: readonly string[]): string =>
      names.map((name) => new TextDecoder().decode(files.get(name))).join('\n');
    const atStart = textOf(startUp);
    const later = textOf(
      [...files.keys()].filter((name) => name.endsWith('.mjs') && !startUp.includes(name)),
    );
    expect(startUp[0]).toBe('worker.mjs');
    // Of verification, management, a wire format, jose, and the OpenAPI document.
    expect(atStart).toContain('INSUFFICIENT_SCOPE');
    for (const text of [
      'INSERT INTO audit_events',
      '/compat/',
      'ERR_JWKS_MULTIPLE_MATCHING_KEYS',
      '"3.1.0"',
    ]) {
      expect(later).toContain(text);
      expect(atStart).not.toContain(text);
    }
  });

  it('are at most 60 KB at the start, gzipped', async () => {
    const { files, startUp } = await bundleWorker();
    const bytes = startUp.map((name) => gzipSync(files.get(name) ?? '', { level: 9 }).length);
    expect(bytes.reduce((sum, each) => sum + each, 0)).toBeLessThanOrEqual(60_000);
  });
});

describe('a built folder', () => {
  it('holds what it is given, below it too, and nothing else', () => {
    const folder = join(directory, 'some');
    replaceFiles(
      folder,
      new Map([
        ['a', 'one'],
        ['b/c', 'two'],
        ['b/d', 'three'],
      ]),
    );
    writeFileSync(join(folder, 'stray'), 'x');
    replaceFiles(
      folder,
      new Map<string, string | Uint8Array>([
        ['a', 'one'],
        ['b/c', Uint8Array.of(50)],
      ]),
    );
    expect(filesIn(folder)).toEqual(['a', 'b/c']);
    expect([readFileSync(join(folder, 'a'), 'utf8'), readFileSync(join(folder, 'b', 'c'), 'utf8')]).toEqual([
      'one',
      '2',
    ]);
  });

  it('is not touched where nothing has changed', () => {
    const folder = join(directory, 'still');
    replaceFiles(folder, new Map([['a', 'one']]));
    const before = statSync(join(folder, 'a'));
    replaceFiles(folder, new Map([['a', 'one']]));
    const after = statSync(join(folder, 'a'));
    expect([after.ino, after.mtimeMs]).toEqual([before.ino, before.mtimeMs]);
  });

  it('is built by several at once, and never holds half a file', { timeout: 60_000 }, async () => {
    const project = copyProject();
    const build = () =>
      promisify(execFile)(process.execPath, ['scripts/build.ts'], { cwd: project.directory });
    const entry = join(project.directory, '.wrangler', 'worker', 'worker.mjs');
    await build();
    const first = readFileSync(entry, 'utf8');
    const source = join(project.directory, 'src', 'worker.ts');
    writeFileSync(source, readFileSync(source, 'utf8').replace('upkeep_failed', 'upkeep_was_in_vain'));
    const seen = new Set<string>();
    const look = setInterval(() => seen.add(readFileSync(entry, 'utf8')), 1);
    await Promise.all([build(), build(), build(), build()]);
    clearInterval(look);
    const second = readFileSync(entry, 'utf8');
    expect(second).toContain('upkeep_was_in_vain');
    expect([...seen].filter((text) => text !== first && text !== second)).toEqual([]);
    const imported = [...second.matchAll(/"\.\/([\w-]+\.mjs)"/g)].map(([, name]) => name);
    expect(imported.length).toBeGreaterThan(3);
    expect(readdirSync(join(entry, '..'))).toEqual(expect.arrayContaining(imported));
    project.remove();
  });
});
