import { readFileSync, rmSync } from 'node:fs';
import { basename } from 'node:path';
import { gzipSync } from 'node:zlib';

import { build } from 'esbuild';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { createConsumer, packProject, temporaryFolder } from './package/projects.ts';

const MAX_MIDDLEWARE_BYTES = 5 * 1024;

let directory: string;

beforeAll(async () => {
  directory = temporaryFolder();
  await createConsumer(directory, [await packProject(directory)]);
});
afterAll(() => rmSync(directory, { recursive: true }));

/** What a program comes to when it is bundled for the edge, and the modules whose code is in it. */
async function bundled(program: string): Promise<{ code: string; gzippedBytes: number; modules: string[] }> {
  const { outputFiles, metafile } = await build({
    stdin: { contents: program, resolveDir: directory },
    absWorkingDir: directory,
    bundle: true,
    format: 'esm',
    logLevel: 'error',
    logOverride: { 'ignored-bare-import': 'silent' },
    metafile: true,
    minify: true,
    target: 'es2022',
    write: false,
  });
  const [file] = outputFiles;
  const modules = Object.values(metafile.outputs)
    .flatMap(({ inputs }) => Object.entries(inputs))
    .filter(([path, { bytesInOutput }]) => path !== '<stdin>' && bytesInOutput > 0)
    .map(([path]) => basename(path, '.js'));
  return {
    code: file?.text ?? '',
    gzippedBytes: gzipSync(file?.contents ?? '').length,
    modules: modules.toSorted(),
  };
}

it('the middleware is under five kibibytes, as large as its page says, and bundles without hono', async () => {
  const { gzippedBytes, modules } = await bundled(`export { mintmark } from 'mintmark/hono';`);
  expect(modules).toContain('hono');
  expect(gzippedBytes).toBeLessThan(MAX_MIDDLEWARE_BYTES);
  const said = /([\d.]+) KiB minified and gzipped/.exec(readFileSync('docs/package.md', 'utf8'))?.[1];
  expect(said).toBe((gzippedBytes / 1_024).toFixed(1));
});

it.for([
  ['orThrow', ['is_object', 'or_throw', 'problem']],
  ['entries', ['entries', 'is_object', 'or_throw', 'problem']],
] as const)('who imports %s alone bundles nothing of a client or of verification', async ([name, parts]) => {
  const { modules } = await bundled(`export { ${name} } from 'mintmark/client';`);
  expect(modules).toEqual(parts);
});

it('who calls the API bundles no verification of requests, and the other way round', async () => {
  const client = await bundled(`export { createClient } from 'mintmark/client';`);
  expect(client.modules).toContain('create_client');
  expect(client.modules).not.toContain('verify_request');
  const verification = await bundled(`export { verifyRequest } from 'mintmark/client';`);
  expect(verification.modules).toContain('verify_request');
  expect(verification.modules).not.toContain('create_client');
});

it.for(['mintmark/client', 'mintmark/hono'])('a bare import of %s is nothing', async (entry) => {
  expect((await bundled(`import '${entry}';`)).code).toBe('');
});
