import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { copyProject } from '../../scripts/project_copy.ts';
import { folderOf, run, said, toolOf, type Ended } from './commands.ts';

const OFFLINE = ['--offline', '--no-audit', '--no-fund'];

export const temporaryFolder = (): string => realpathSync(mkdtempSync(join(tmpdir(), 'mintmark-package-')));

/** Packs what is in a folder; the tarball goes into another. */
export const pack = (folder: string, destination: string, ...options: readonly string[]): Promise<Ended> =>
  run(folder, 'npm', ['pack', '--json', '--pack-destination', destination, ...OFFLINE, ...options]);

/** The path of the tarball that a packing ended with. */
export function tarballOf({ code, output, errors }: Ended, destination: string): string {
  if (code !== 0) throw new Error(errors);
  const [{ filename }] = JSON.parse(output) as [{ filename: string }];
  return join(destination, filename);
}

/** The package as it would be published, made from a copy of the project. */
export async function packProject(destination: string): Promise<string> {
  const copy = copyProject();
  try {
    return tarballOf(await pack(copy.directory, destination), destination);
  } finally {
    copy.remove();
  }
}

/** The hono that the project has, as a tarball. */
export async function packHono(destination: string): Promise<string> {
  return tarballOf(await pack(folderOf('hono'), destination, '--ignore-scripts'), destination);
}

/** Makes a project of someone else's, with these packages and no other, out of a registry's reach. */
export async function createConsumer(directory: string, tarballs: readonly string[]): Promise<void> {
  writeFiles(directory, { 'package.json': JSON.stringify({ private: true, type: 'module' }) });
  await said(directory, 'npm', ['install', '--ignore-scripts', ...OFFLINE, ...tarballs]);
}

/** A new project of someone else's Worker: the package and hono. */
export async function createWorkerConsumer(): Promise<string> {
  const [directory, tarballs] = [temporaryFolder(), temporaryFolder()];
  await createConsumer(directory, [await packProject(tarballs), await packHono(tarballs)]);
  rmSync(tarballs, { recursive: true });
  return directory;
}

/** The names of all packages that npm finds installed in a project; it finds nothing amiss. */
export async function installedIn(directory: string): Promise<string[]> {
  const paths = await said(directory, 'npm', ['ls', '--all', '--parseable']);
  const folder = join(directory, 'node_modules', '/');
  return paths
    .trim()
    .split('\n')
    .filter((path) => path !== directory)
    .map((path) => path.replace(folder, ''))
    .toSorted();
}

export function writeFiles(directory: string, files: Readonly<Record<string, string>>): void {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), content);
  }
}

/** As strict as a consumer's settings can be, and without the types of any platform. */
const STRICTEST = {
  target: 'es2022',
  strict: true,
  noUncheckedIndexedAccess: true,
  noPropertyAccessFromIndexSignature: true,
  exactOptionalPropertyTypes: true,
  noImplicitOverride: true,
  noImplicitReturns: true,
  noFallthroughCasesInSwitch: true,
  noUnusedLocals: true,
  noUnusedParameters: true,
  verbatimModuleSyntax: true,
  erasableSyntaxOnly: true,
  skipLibCheck: false,
  types: [],
};

/** What the TypeScript compiler has against files of a consumer's project: nothing, where it is content. */
export async function typeErrors(
  directory: string,
  files: readonly string[],
  compilerOptions: Readonly<Record<string, unknown>>,
): Promise<string> {
  const config = { compilerOptions: { ...STRICTEST, ...compilerOptions }, files };
  writeFiles(directory, { 'tsconfig.json': JSON.stringify(config) });
  const { output, errors } = await run(directory, process.execPath, [
    toolOf('typescript', 'bin/tsc'),
    '-p',
    '.',
  ]);
  return output + errors;
}

/** The same for files of a Worker. */
export function workerTypeErrors(directory: string, files: readonly string[]): Promise<string> {
  const types = '@cloudflare/workers-types';
  return typeErrors(directory, files, {
    module: 'esnext',
    moduleResolution: 'bundler',
    lib: ['esnext'],
    typeRoots: [dirname(dirname(folderOf(types)))],
    types: [types],
    noEmit: true,
    allowImportingTsExtensions: true,
  });
}
