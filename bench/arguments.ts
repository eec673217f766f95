import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parseArgs, type ParseArgsConfig } from 'node:util';

import { Problem } from '../scripts/problem.ts';

/** As `parseArgs`, but that what can't be parsed is a Problem. */
export function parsedArguments<const Config extends ParseArgsConfig>(config: Config) {
  try {
    return parseArgs(config);
  } catch (error) {
    throw new Problem(error instanceof Error ? error.message : String(error));
  }
}

/** A file that is written in the end, so it is looked for its folder at the beginning; null where none is said. */
export function fileToWrite(option: string, path: string | undefined): string | null {
  if (path === undefined) return null;
  const folder = dirname(resolve(path));
  if (!existsSync(folder)) throw new Problem(`${option}: there is no folder ${folder}.`);
  return path;
}
