import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';

import { build } from 'esbuild';

import { PROJECT_ROOT, wranglerEnvironment, wranglerPath } from '../scripts/wrangler.ts';

const run = promisify(execFile);

const OWN_WORKERS = ['bare', 'caller', 'alone', 'floor', 'inserter'] as const;

/** What runs in workerd, each Worker as one module. */
export type Code = Readonly<Record<'mintmark' | (typeof OWN_WORKERS)[number], string>>;

/** Mintmark as wrangler uploads it, by way of `directory`, and the benchmark's own Workers. */
export async function bundleAll(directory: string): Promise<Code> {
  const own = await Promise.all(
    OWN_WORKERS.map(async (name) => [name, await bundle(join(import.meta.dirname, 'workers', `${name}.ts`))]),
  );
  return {
    ...(Object.fromEntries(own) as Omit<Code, 'mintmark'>),
    mintmark: await bundleMintmark(directory),
  };
}

async function bundleMintmark(directory: string): Promise<string> {
  const args = [wranglerPath(), 'deploy', '--dry-run', '--outdir', directory];
  await run(process.execPath, args, { cwd: PROJECT_ROOT, env: wranglerEnvironment() });
  return readFileSync(join(directory, 'worker.js'), 'utf8');
}

/** One module for workerd, without what is `external`. */
async function bundle(entry: string, external: readonly string[] = []): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2024',
    conditions: ['workerd', 'worker', 'browser'],
    external: ['cloudflare:*', ...external],
    write: false,
  });
  const [output] = outputFiles;
  if (output === undefined) throw new Error(`${entry} is bundled into nothing`);
  return output.text;
}

/** How much of the uploaded code is documentation, in bytes gzipped: the OpenAPI document and the page that shows it. */
export async function documentationBytes(): Promise<number> {
  const entry = join(PROJECT_ROOT, 'src', 'worker.ts');
  const [all, without] = [
    await bundle(entry),
    await bundle(entry, ['*/openapi/document.ts', '*/http/docs.ts']),
  ];
  return gzippedBytes(all) - gzippedBytes(without);
}

export function gzippedBytes(code: string): number {
  return gzipSync(code, { level: 9 }).length;
}
