import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

import { build } from 'esbuild';

import { bundleWorker, FOR_WORKERD } from '../scripts/bundle.ts';
import type { Size } from './report.ts';

/** What an isolate is to set up at its start, gzipped. */
const START_UP_AIM_BYTES = 60_000;

const OWN_WORKERS = ['bare', 'caller', 'alone', 'floor', 'inserter'] as const;

/** A Worker's modules by their names, the first of which is its entry. */
export type Modules = ReadonlyMap<string, string>;

/** What runs in workerd. */
export type Code = Readonly<Record<'mintmark' | (typeof OWN_WORKERS)[number], Modules>>;

/** Mintmark as it is uploaded, how large that is, and the benchmark's own Workers. */
export async function bundleAll(): Promise<{ readonly code: Code; readonly size: Size }> {
  const own = await Promise.all(
    OWN_WORKERS.map(async (name): Promise<[string, Modules]> => [
      name,
      new Map([['worker.mjs', await bundle(name)]]),
    ]),
  );
  const { files, startUp } = await bundleWorker();
  const utf8 = new TextDecoder();
  const names = new Set([...startUp, ...[...files.keys()].filter((name) => name.endsWith('.mjs'))]);
  const mintmark = new Map([...names].map((name) => [name, utf8.decode(files.get(name))]));
  const sizeOf = (some: Iterable<string>): number =>
    [...some].reduce((bytes, name) => bytes + gzippedBytes(mintmark.get(name) ?? ''), 0);
  return {
    code: { ...(Object.fromEntries(own) as Omit<Code, 'mintmark'>), mintmark },
    size: { uploaded: sizeOf(names), startUp: sizeOf(startUp), aim: START_UP_AIM_BYTES },
  };
}

const gzippedBytes = (text: string): number => gzipSync(text, { level: 9 }).length;

/** One of the benchmark's own as one module. */
async function bundle(name: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, 'workers', `${name}.ts`)],
    ...FOR_WORKERD,
  });
  const [output] = outputFiles;
  if (output === undefined) throw new Error(`${name} is bundled into nothing`);
  return output.text;
}
