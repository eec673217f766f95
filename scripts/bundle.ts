import { basename } from 'node:path';

import { build, type Metafile } from 'esbuild';

import { PROJECT_ROOT } from './wrangler.ts';

/** The Worker's modules, as they are uploaded. */
export interface Bundle {
  /** What each file holds, by its name; source maps too. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** The modules that an isolate reads at its start, `worker.mjs` first. The others are loaded by the first call that needs them. */
  readonly startUp: readonly string[];
}

const ENTRY = 'src/worker.ts';

/** Bundles the Worker into several modules: wrangler would make one of all, and an isolate would read that whole. */
export async function bundleWorker(): Promise<Bundle> {
  const { outputFiles, metafile } = await build({
    absWorkingDir: PROJECT_ROOT,
    entryPoints: [ENTRY],
    outdir: '.',
    bundle: true,
    splitting: true,
    minify: true,
    sourcemap: 'linked',
    format: 'esm',
    outExtension: { '.js': '.mjs' },
    // As wrangler has it.
    target: 'es2024',
    conditions: ['workerd', 'worker', 'browser'],
    external: ['cloudflare:*'],
    write: false,
    metafile: true,
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
