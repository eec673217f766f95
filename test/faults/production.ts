import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';

import type { Services } from '../../src/app.ts';
import type { Config } from '../../src/config.ts';
import type { Platform } from '../../src/core/platform.ts';
import type { Management } from '../../src/management.ts';

/** A change to the text of a source file. What is to be replaced must be there, once. */
export interface Patch {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

const SOURCES = new URL('../../src/', import.meta.url);

/** Limits that a history of some dozens of changes reaches, where production's are made for thousands. */
const SMALL_LIMITS: Readonly<Record<string, number>> = {
  MAX_CHANGES_TOLD: 3,
  MAX_CHANGES_KEPT: 2,
  MAX_CHANGES_PRUNED: 20,
  MAX_FLOORS: 5,
  MAX_MEMORY_BYTES: 6_000,
};

function limitPatches(): Patch[] {
  const file = 'core/constants.ts';
  const text = readFileSync(fileURLToPath(new URL(file, SOURCES).href), 'utf8');
  return Object.entries(SMALL_LIMITS).map(([name, value]) => {
    const [find] = new RegExp(`export const ${name} = [0-9_]+;`).exec(text) ?? [];
    if (find === undefined) throw new Error(`there is no ${name} in ${file}`);
    return { file, find, replace: `export const ${name} = ${value};` };
  });
}

/** The production code, but for small limits and the patches. Once a process: modules are loaded once. */
export async function loadProduction(patches: readonly Patch[]) {
  const all = [...limitPatches(), ...patches];
  const applied = new Set<Patch>();
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context);
      if (!url.startsWith(SOURCES.href)) return loaded;
      let source = readFileSync(fileURLToPath(url), 'utf8');
      for (const patch of all.filter(({ file }) => url === new URL(file, SOURCES).href)) {
        if (source.split(patch.find).length !== 2) {
          throw new Error(`not once in ${patch.file}: ${patch.find}`);
        }
        source = source.replace(patch.find, () => patch.replace);
        applied.add(patch);
      }
      return { ...loaded, format: 'module-typescript', source };
    },
  });
  const [{ readConfig }, { createVerification }, { createManagement }] = await Promise.all([
    import('../../src/config.ts'),
    import('../../src/verification.ts'),
    import('../../src/management.ts'),
  ]);
  const missed = all.find((patch) => !applied.has(patch));
  if (missed !== undefined) throw new Error(`${missed.file} was not loaded`);
  // As `Isolate` does, without a wait.
  const createServices = (config: Config, platform: Platform): Services => {
    const { verification, foundation } = createVerification(config, platform, (record) =>
      management.rotations.finish(record),
    );
    const management: Management = createManagement(config, foundation);
    return { ...verification, ...management };
  };
  return { readConfig, createServices };
}

export type Production = Awaited<ReturnType<typeof loadProduction>>;
