import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

import { build, type BuildOptions, type Metafile } from 'esbuild';

import { PROJECT_ROOT } from './wrangler.ts';

const FOLDER = '.wrangler/worker';

/** The module that imports the others, once they are written. */
export const ENTRY_MODULE = `${FOLDER}/worker.mjs`;

/** The Worker's modules, as `npm run deploy` uploads them. */
export interface Bundle {
  /** What each file holds, by its name; source maps too. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** The modules that an isolate sets up at its start, `worker.mjs` first. The others are set up by the first call that needs them. */
  readonly startUp: readonly string[];
}

const ENTRY = 'src/worker.ts';

/** How code is bundled that workerd is to run. */
export const FOR_WORKERD = {
  bundle: true,
  minify: true,
  format: 'esm',
  // These two as wrangler has them.
  target: 'es2024',
  conditions: ['workerd', 'worker', 'browser'],
  external: ['cloudflare:*'],
  write: false,
} satisfies BuildOptions;

/** Bundles the Worker into several modules, where wrangler by itself makes one of all. */
export async function bundleWorker(): Promise<Bundle> {
  const { outputFiles, metafile } = await build({
    absWorkingDir: PROJECT_ROOT,
    entryPoints: [ENTRY],
    outdir: FOLDER,
    outExtension: { '.js': '.mjs' },
    splitting: true,
    sourcemap: 'linked',
    metafile: true,
    ...FOR_WORKERD,
  });
  return {
    files: new Map(outputFiles.map(({ path, contents }) => [basename(path), contents])),
    startUp: startUpOf(metafile),
  };
}

/** The entry's module, and what is imported from there on without a wait. */
function startUpOf({ outputs }: Metafile): string[] {
  const found = new Set(Object.keys(outputs).filter((name) => outputs[name]?.entryPoint === ENTRY));
  // A set is walked to what is added meanwhile, too.
  for (const name of found) {
    for (const { path, kind, external } of outputs[name]?.imports ?? [])
      if (kind === 'import-statement' && external !== true) found.add(path);
  }
  return [...found].map((name) => basename(name));
}

/** Writes the modules anew, and their source maps. */
export async function writeBundle(): Promise<void> {
  const { files } = await bundleWorker();
  const folder = join(PROJECT_ROOT, FOLDER);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const [name, contents] of files) writeFileSync(join(folder, name), contents);
}
