import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request, type IncomingMessage } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { promisify } from 'node:util';

import { beforeAll, describe, expect, it } from 'vitest';

import { blocksOf } from '../scripts/blocks.ts';
import { copyProject, freePort, leftoversIn, type ProjectCopy, type Run } from '../scripts/project_copy.ts';
import { endings } from './proxies/endings.ts';
import { ask, bearer } from './proxies/http.ts';
import { isInstalled } from './proxies/installed.ts';
import { startMintmark, type Minted, type Mintmark } from './proxies/mintmark.ts';
import { startNginx } from './proxies/nginx.ts';
import { changed, startServer, type Change, type Server } from './proxies/server.ts';

const PATH = 'examples/nginx/README.md';
const PAGE = 'docs/proxies.md';
const README = readFileSync(PATH, 'utf8');
const CONFIGURATION = 'examples/nginx/nginx.conf';
const START = 'nginx -e stderr -p examples/nginx -c nginx.conf\n';
const TIMEOUT_MS = 60_000;

const hasNginx = isInstalled('nginx');
const run = promisify(execFile);

it.each([PATH, PAGE])('the links of %s lead somewhere', (path) => {
  const links = [...readFileSync(path, 'utf8').matchAll(/\]\(([^)#:]+)[^):]*\)/g)];
  expect(links.length).toBeGreaterThan(2);
  for (const [, link = ''] of links) expect(existsSync(join(dirname(path), link)), link).toBe(true);
});

describe.skipIf(!hasNginx)('the README of the example for nginx', () => {
  let project: ProjectCopy;
  let mintmark: Run;
  let site: Server;
  let mintmarkPort: number;

  const atTheEnd = endings();
  beforeAll(async () => {
    project = copyProject();
    atTheEnd(async () => {
      expect(await leftoversIn(project.directory)).toEqual([]);
      project.remove();
    });
    // As root nginx serves as nobody, who has to get here.
    chmodSync(project.directory, 0o755);
    mintmarkPort = await freePort();
    mintmark = project.npm(['start', '--', '--port', String(mintmarkPort)]);
    atTheEnd(endMintmark);
    await mintmark.prints(/Mintmark is ready/, TIMEOUT_MS);
    const applicationPort = await freePort();
    site = await startServer(project.directory, (port) => {
      const path = join(project.directory, CONFIGURATION);
      writeFileSync(
        path,
        changed(readFileSync(path, 'utf8'), [
          ['listen 127.0.0.1:8080;', `listen 127.0.0.1:${port};`],
          ['listen 127.0.0.1:8081;', `listen 127.0.0.1:${applicationPort};`],
          ['server 127.0.0.1:8081;', `server 127.0.0.1:${applicationPort};`],
          ['server 127.0.0.1:8787;', `server 127.0.0.1:${mintmarkPort};`],
        ]),
      );
      return START.trim().split(' ');
    });
    atTheEnd(site.stop);
  }, TIMEOUT_MS);

  let hasEnded = false;
  async function endMintmark(): Promise<void> {
    if (!hasEnded) process.kill(-mintmark.pid, 'SIGINT');
    hasEnded = true;
    await mintmark.ended;
  }

  /** A run prints the ids of its own key and account. */
  const masked = (text: string) => text.replaceAll(/\[(key|sa)_[0-9A-Za-z]{24}\]/g, '[$1_…]');

  it('walks through it with commands that work, and shows what they answer', async () => {
    const commands = blocksOf(README, 'sh');
    expect(commands).toContain(START);
    const script = changed(commands.filter((block) => block !== START).join(''), [
      ['http://localhost:8787', `http://localhost:${mintmarkPort}`],
      ['http://localhost:8080', `http://localhost:${site.port}`],
    ]);
    const { stdout, stderr } = await run('sh', ['-euc', script], { cwd: project.directory });
    expect(stderr).toBe('');
    expect(masked(stdout)).toBe(masked(blocksOf(README, '').join('')));
  });

  it('says what becomes of it when Mintmark ends', async () => {
    await endMintmark();
    const { status, headers } = await ask(site.port, '/', { headers: bearer('any') });
    expect([status, headers['retry-after']]).toEqual([503, '5']);
    expect((await ask(site.port, '/public/')).status).toBe(200);
  });
});

describe.skipIf(!hasNginx)('the README’s lines for a Mintmark that is deployed', () => {
  const HOST = 'mintmark.example.workers.dev';
  const [server = '', location = ''] = blocksOf(README, 'nginx');

  let directory: string;
  let mintmark: Mintmark;
  let reader: Minted;
  /** Of each question: the name that the connection is for, and the host. */
  const asked: [string | false | null, string | undefined][] = [];
  let edge: ReturnType<typeof createServer>;
  let deployed: Change[];

  const certificate = async (name: string) => {
    const [key, cert] = [join(directory, `${name}.key`), join(directory, `${name}.pem`)];
    const how = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
    const whom = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`];
    await run('openssl', ['req', '-x509', ...how, ...whom, '-keyout', key, '-out', cert]);
    return { key: readFileSync(key), cert: readFileSync(cert), path: cert };
  };

  const atTheEnd = endings();
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'mintmark-tls-'));
    atTheEnd(() => rmSync(directory, { recursive: true }));
    mintmark = await startMintmark();
    atTheEnd(mintmark.close);
    reader = await mintmark.mint('files:read');
    const own = await certificate(HOST);
    edge = createServer(own, (incoming, response) => {
      asked.push([(incoming.socket as TLSSocket).servername ?? null, incoming.headers.host]);
      const { url = '', rawHeaders: headers } = incoming;
      const onward = request({ host: '127.0.0.1', port: mintmark.port, path: url, headers }).end();
      onward.once('response', (answer: IncomingMessage) => {
        response.writeHead(answer.statusCode ?? 0, answer.rawHeaders);
        answer.pipe(response);
      });
    });
    edge.listen(0, '127.0.0.1');
    await once(edge, 'listening');
    atTheEnd(() => {
      edge.closeAllConnections();
      edge.close();
    });
    deployed = [
      ['            proxy_set_header Host localhost;\n', ''],
      [`            proxy_pass http://mintmark/v1/forward-auth/default/files:read;\n`, location],
      ['        server 127.0.0.1:8787;\n', server],
      [`${HOST}:443`, `127.0.0.1:${(edge.address() as AddressInfo).port}`],
    ];
  }, TIMEOUT_MS);

  async function answersWith(trusted: string, changes: readonly Change[] = []): Promise<number> {
    const trust: Change = ['/etc/ssl/certs/ca-certificates.crt', trusted];
    const nginx = await startNginx({ mintmark: [...deployed, trust], changes });
    try {
      return (await ask(nginx.port, '/', { headers: bearer(reader.secret) })).status;
    } finally {
      await nginx.stop();
    }
  }

  it('ask it by name over TLS', async () => {
    expect(await answersWith(join(directory, `${HOST}.pem`))).toBe(200);
    expect(asked).toEqual([[HOST, HOST]]);
  });

  it('take nobody else’s word', async () => {
    asked.length = 0;
    const { path } = await certificate('other.example');
    expect(await answersWith(path)).toBe(503);
    const other: Change = [`proxy_ssl_name ${HOST};`, 'proxy_ssl_name other.example;'];
    expect(await answersWith(join(directory, `${HOST}.pem`), [other])).toBe(503);
    expect(asked).toEqual([]);
  });
});
