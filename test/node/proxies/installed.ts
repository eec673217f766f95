import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Where Debian has servers, and the path of one who is not root does not reach. */
const SYSTEM_FOLDERS = ['/usr/sbin', '/usr/local/sbin'];

export const PATH = [process.env['PATH'], ...SYSTEM_FOLDERS].join(delimiter);

/**
 * Whether a proxy's tests can run: they are skipped, with a line that says so, where it is not installed. The gate
 * installs it and sets MINTMARK_REQUIRE_PROXIES, so that there they never are.
 */
export function isInstalled(program: string): boolean {
  if (PATH.split(delimiter).some((folder) => isExecutable(join(folder, program)))) return true;
  const missing = `${program} is not installed (on Debian: apt-get install ${program})`;
  if (process.env['MINTMARK_REQUIRE_PROXIES'] === '1') throw new Error(`${missing}, and has to be.`);
  console.warn(`${missing}: its tests are skipped.`);
  return false;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
