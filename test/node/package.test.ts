import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { publint } from 'publint';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { copyProject, type ProjectCopy } from '../scripts/project_copy.ts';
import { run, said, toolOf } from './package/commands.ts';
import {
  createConsumer,
  installedIn,
  pack,
  packProject,
  tarballOf,
  temporaryFolder,
} from './package/projects.ts';

interface Manifest {
  readonly exports: Readonly<Record<string, { readonly types: string; readonly default: string }>>;
  readonly [key: string]: unknown;
}

let directory: string;
let tarball: string;
/** The package as npm has installed it. */
let installed: string;

beforeAll(async () => {
  directory = temporaryFolder();
  tarball = await packProject(directory);
  await createConsumer(directory, [tarball]);
  installed = join(directory, 'node_modules', 'mintmark');
});
afterAll(() => rmSync(directory, { recursive: true }));

const manifest = (): Manifest => JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));

const filesOf = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(folder.length + 1));

/** What a file of the package imports, or adds types to. */
const importedBy = (file: string): string[] =>
  [...readFileSync(join(installed, file), 'utf8').matchAll(/\b(?:from|import|module) '([^']+)'/g)].map(
    ([, specifier = '']) => specifier,
  );

/** Each module is code and its types, and both say what else is needed. */
const codeAndTypes = (module: string): string[] => [`${module}.js`, `${module}.d.ts`];

/** All modules of the package that these ones need, and these. */
function reachedFrom(modules: readonly string[]): Set<string> {
  const reached = new Set(modules);
  for (const module of reached) {
    for (const specifier of codeAndTypes(module).flatMap(importedBy)) {
      if (specifier.startsWith('.')) reached.add(join(module, '..', specifier.replace(/\.[jt]s$/, '')));
    }
  }
  return reached;
}

describe('the package', () => {
  it('holds its manifest, its README, and of code and types what its entries need', () => {
    const entries = Object.values(manifest().exports).map((entry) => entry.default.replace(/\.js$/, ''));
    expect(entries).toEqual(['./dist/client/hono', './dist/client/client']);
    const needed = [...reachedFrom(entries.map((entry) => join(entry)))];
    const files = ['package.json', 'README.md', ...needed.flatMap(codeAndTypes)];
    expect(filesOf(installed).toSorted()).toEqual(files.toSorted());
    const elsewhere = needed.filter((module) => !module.startsWith('dist/client/'));
    expect(elsewhere, 'of what is no client’s').toEqual(['dist/contract/credential']);
  });

  it('imports nothing but itself, and types of hono where it is for hono', () => {
    const foreign = filesOf(join(installed, 'dist'))
      .map((file) => join('dist', file))
      .flatMap((file) =>
        importedBy(file)
          .filter((specifier) => !specifier.startsWith('./') && !specifier.startsWith('../'))
          .map((specifier) => `${file}: ${specifier}`),
      );
    expect(new Set(foreign)).toEqual(new Set(['dist/client/hono.d.ts: hono']));
  });

  it('tells in its manifest what concerns who installs it, and nothing of how it is made', () => {
    expect(Object.keys(manifest()).toSorted()).toEqual(
      [
        'name',
        'version',
        'private',
        'description',
        'license',
        'files',
        'type',
        'sideEffects',
        'exports',
        'peerDependencies',
        'peerDependenciesMeta',
        'engines',
      ].toSorted(),
    );
    expect(manifest()).toMatchObject({
      type: 'module',
      sideEffects: false,
      peerDependencies: { hono: expect.any(String) },
      peerDependenciesMeta: { hono: { optional: true } },
    });
  });

  it('brings nothing else with it', async () => {
    expect(await installedIn(directory)).toEqual(['mintmark']);
  });

  it('is well made, says publint', async () => {
    const { buffer } = Uint8Array.from(readFileSync(tarball));
    const { messages } = await publint({ pack: { tarball: buffer }, strict: true });
    expect(messages).toEqual([]);
  });

  it('has types that are right for ES modules, says Are the Types Wrong', async () => {
    const attw = toolOf('@arethetypeswrong/cli', 'dist/index.js');
    const options = ['--profile', 'esm-only', '--format', 'json'];
    const { code, output, errors } = await run(directory, process.execPath, [attw, tarball, ...options]);
    expect(code, output + errors).toBe(0);
  });
});

describe('packing', () => {
  let copy: ProjectCopy;
  let before: string;

  const source = () => readFileSync(join(copy.directory, 'package.json'), 'utf8');
  const packCopy = () => pack(copy.directory, join(copy.directory, 'packed'));
  const leavesItsSourceAlone = () => {
    expect(source()).toBe(before);
    expect(existsSync(join(copy.directory, 'package.json.backup'))).toBe(false);
  };

  beforeAll(() => {
    copy = copyProject();
    before = source();
    mkdirSync(join(copy.directory, 'packed'));
  });
  afterAll(() => copy.remove());

  it('leaves package.json as it was, and makes the same again', async () => {
    const packed: Buffer[] = [];
    for (let time = 0; time < 2; time++) {
      const path = tarballOf(await packCopy(), join(copy.directory, 'packed'));
      packed.push(readFileSync(path));
      leavesItsSourceAlone();
      rmSync(path);
    }
    expect(packed[1]?.equals(packed[0] ?? Buffer.of())).toBe(true);
  });

  it('that was broken off is undone by the command that docs/package.md names', async () => {
    const nowhere = join(copy.directory, 'nowhere');
    expect((await pack(copy.directory, nowhere)).code).not.toBe(0);
    expect(source()).not.toBe(before);
    expect(readFileSync('docs/package.md', 'utf8')).toContain('`npx clean-package restore`');
    await said(copy.directory, 'npx', ['clean-package', 'restore']);
    leavesItsSourceAlone();
  });

  it('makes nothing out of what does not compile, and leaves package.json as it was', async () => {
    appendFileSync(join(copy.directory, 'src', 'client', 'hono.ts'), `\nexport const wrong: number = '';\n`);
    const { code, output, errors } = await packCopy();
    expect(code).not.toBe(0);
    expect(output + errors).toContain('TS2322');
    expect(readdirSync(join(copy.directory, 'packed'))).toEqual([]);
    leavesItsSourceAlone();
  });
});
