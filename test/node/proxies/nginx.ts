import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { freePort } from '../../scripts/project_copy.ts';
import { changed, startServer, type Change, type Server } from './server.ts';

const EXAMPLE = 'examples/nginx';

interface Options {
  /** Its port, or what is changed to name it. */
  readonly mintmark: number | readonly Change[];
  /** Its port; absent: the one that is part of the example. */
  readonly application?: number;
  /** Absent: more requests of one client than a test makes. */
  readonly limit?: 'as in the example';
  readonly changes?: readonly Change[];
}

/** The example, on ports that are free. */
export async function startNginx({ mintmark, application, limit, changes = [] }: Options): Promise<Server> {
  const directory = mkdtempSync(join(tmpdir(), 'mintmark-nginx-'));
  const configuration = join(directory, 'nginx.conf');
  const echoPort = await freePort();
  cpSync(EXAMPLE, directory, { recursive: true });
  const server = await startServer(directory, (port) => {
    const all: Change[] = [
      ['listen 127.0.0.1:8080;', `listen 127.0.0.1:${port};`],
      ['listen 127.0.0.1:8081;', `listen 127.0.0.1:${echoPort};`],
      ['server 127.0.0.1:8081;', `server 127.0.0.1:${application ?? echoPort};`],
      ['rate=20r/s;', limit === undefined ? 'rate=100000r/s;' : 'rate=20r/s;'],
      ...(typeof mintmark === 'number'
        ? [['server 127.0.0.1:8787;', `server 127.0.0.1:${mintmark};`] as const]
        : mintmark),
      ...changes,
    ];
    writeFileSync(configuration, changed(readFileSync(configuration, 'utf8'), all));
    // As root it would serve as nobody, who may not read the copy.
    const asRoot = process.getuid?.() === 0 ? ['-g', 'user root;'] : [];
    return ['nginx', '-e', 'stderr', '-p', directory, '-c', 'nginx.conf', ...asRoot];
  });
  return {
    port: server.port,
    async stop() {
      await server.stop();
      rmSync(directory, { recursive: true });
    },
  };
}
