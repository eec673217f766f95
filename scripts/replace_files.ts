import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

/**
 * Makes a folder hold these files, by their paths in it, and no others. One that is there already stays untouched, and one that
 * changes does so at once: somebody else may be reading.
 */
export function replaceFiles(folder: string, files: ReadonlyMap<string, Uint8Array | string>): void {
  for (const [name, contents] of files) {
    const path = join(folder, name);
    if (isThere(path, contents)) continue;
    mkdirSync(dirname(path), { recursive: true });
    const temporary = `${path}.${process.pid}.tmp`;
    writeFileSync(temporary, contents);
    renameSync(temporary, path);
  }
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile() && !files.has(relative(folder, path)) && !entry.name.endsWith('.tmp'))
      rmSync(path, { force: true });
  }
}

function isThere(path: string, contents: Uint8Array | string): boolean {
  try {
    return readFileSync(path).equals(Buffer.from(contents));
  } catch {
    return false;
  }
}
