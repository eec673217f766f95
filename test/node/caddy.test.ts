import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { orThrow } from '../../src/client/client.ts';
import { blocksOf } from '../scripts/blocks.ts';
import { startApplication, type Application } from './proxies/application.ts';
import { endings } from './proxies/endings.ts';
import { ask, bearer, say, statusesIn, type Asked } from './proxies/http.ts';
import { identityOf, identityTold, SPOOFED } from './proxies/identity.ts';
import { isInstalled } from './proxies/installed.ts';
import { startMintmark, type Minted, type Mintmark } from './proxies/mintmark.ts';
import { changed, startServer, type Server } from './proxies/server.ts';
import { strayKey } from './root.ts';

const [CADDYFILE = ''] = blocksOf(readFileSync('docs/proxies.md', 'utf8'), 'caddyfile');

describe.skipIf(!isInstalled('caddy'))('Caddy, as in docs/proxies.md,', () => {
  let mintmark: Mintmark;
  let application: Application;
  let caddy: Server;
  let reader: Minted;

  const atTheEnd = endings();
  beforeAll(async () => {
    const directory = mkdtempSync(join(tmpdir(), 'mintmark-caddy-'));
    atTheEnd(() => rmSync(directory, { recursive: true }));
    mintmark = await startMintmark();
    atTheEnd(mintmark.close);
    application = await startApplication();
    atTheEnd(application.close);
    reader = await mintmark.mint('files:read');
    const env = { XDG_DATA_HOME: directory, XDG_CONFIG_HOME: directory };
    const start = (port: number) => {
      const site = changed(CADDYFILE, [
        ['http://localhost:8080', `http://127.0.0.1:${port}`],
        ['https://mintmark.example.workers.dev', `http://127.0.0.1:${mintmark.port}`],
        ['localhost:8081', `127.0.0.1:${application.port}`],
      ]);
      writeFileSync(join(directory, 'Caddyfile'), `{\n\tadmin off\n}\n${site}`);
      return ['caddy', 'run', '--config', 'Caddyfile', '--adapter', 'caddyfile'];
    };
    caddy = await startServer(directory, start, env);
    atTheEnd(caddy.stop);
  });
  beforeEach(() => {
    application.visits.length = 0;
  });

  const get = (path: string, asked: Asked = {}) => ask(caddy.port, path, asked);

  async function refuses(status: number, code: string, asked: Asked = {}) {
    const answer = await get('/files', asked);
    expect([answer.status, JSON.parse(answer.body)]).toEqual([status, expect.objectContaining({ code })]);
    expect(application.visits).toEqual([]);
    return answer;
  }

  it.each(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PROPFIND', 'PURGE'])(
    'judges what is done by %s, and asks by GET without its body',
    async (method) => {
      const body = method === 'HEAD' ? '' : 'a body';
      expect((await get('/files?a=b', { method, body })).status).toBe(401);
      expect(application.visits).toEqual([]);
      const headers = { ...bearer(reader.secret), Cookie: 'session=1' };
      const questions = await mintmark.questionsOf(() => get('/files?a=b', { method, body, headers }));
      expect(questions).toMatchObject([
        { method: 'GET', url: '/v1/forward-auth/default/files:read?a=b', body: '' },
      ]);
      const asked = new Map(questions[0]?.headers);
      expect(asked.get('host')).toBe(`127.0.0.1:${mintmark.port}`);
      expect(asked.has('cookie')).toBe(false);
      expect(application.visits).toMatchObject([{ method, url: '/files?a=b', length: body.length }]);
    },
  );

  it('passes refusals on as they are', async () => {
    const missing = await refuses(401, 'missing_credential');
    expect(missing.headers['www-authenticate']).toBe('Bearer realm="mintmark"');
    expect(missing.headers['content-type']).toBe('application/problem+json');
    for (const key of ['no-key', strayKey()])
      await refuses(401, 'invalid_credential', { headers: bearer(key) });
    const writer = await mintmark.mint('files:write');
    const lacking = await refuses(403, 'insufficient_scope', { headers: bearer(writer.secret) });
    expect(lacking.headers['www-authenticate']).toContain('scope="files:read"');
    const twice = { ...bearer(reader.secret), 'X-API-Key': reader.secret };
    await refuses(400, 'multiple_credentials', { headers: twice });
    await refuses(400, 'multiple_credentials', { headers: { 'X-API-Key': [strayKey(), reader.secret] } });
    const revoked = await mintmark.mint('files:read');
    expect((await get('/', { headers: bearer(revoked.secret) })).status).toBe(200);
    application.visits.length = 0;
    orThrow(await mintmark.client.keys.revoke(revoked.id));
    await refuses(401, 'invalid_credential', { headers: bearer(revoked.secret) });
  });

  it('tells the application whose key it is, and neither the key nor what the client says', async () => {
    for (const key of [bearer(reader.secret), { 'X-API-Key': reader.secret }]) {
      application.visits.length = 0;
      await get('/files', { headers: { ...SPOOFED, ...key, 'Mintmark-Proxy': 'nginx' } });
      expect(identityTold(application)).toEqual(identityOf(reader));
      expect(JSON.stringify(application.visits.map((visit) => [...visit.headers]))).not.toContain(
        reader.secret,
      );
    }
  });

  it('has a client take from its identity, and not change it', async () => {
    const headers = { ...SPOOFED, ...bearer(reader.secret), Connection: 'close, Mintmark-Key-Id' };
    await get('/files', { headers });
    const { MINTMARK_KEY_ID: _, ...rest } = identityOf(reader);
    expect(identityTold(application)).toEqual(rest);
  });

  describe('where an upgrade is asked for', () => {
    const LAST = 'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n';
    const request = (upgrade: string, lines = '') =>
      `GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: keep-alive, Upgrade\r\nUpgrade: ${upgrade}\r\n` +
      `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n${lines}\r\n`;

    it('to a WebSocket, judges as ever', async () => {
      expect(statusesIn(await say(caddy.port, request('websocket') + LAST))).toEqual([401, 401]);
      expect(application.visits).toEqual([]);
      const questions = await mintmark.questionsOf(async () => {
        const answers = await say(caddy.port, request('websocket', `X-API-Key: ${reader.secret}\r\n`));
        expect(answers).toMatch(/^HTTP\/1\.1 101 [\s\S]*\r\n\r\nthrough$/);
      });
      expect(identityTold(application)).toEqual(identityOf(reader));
      expect(questions[0]?.headers.map(([name]) => name)).not.toContain('upgrade');
    });

    it.each(['h2c', 'h2c, websocket'])('to %s, does not', async (upgrade) => {
      const lines = `X-API-Key: ${reader.secret}\r\n`;
      expect(statusesIn(await say(caddy.port, request(upgrade, lines) + LAST))).toEqual([200, 401]);
      expect(application.visits[0]?.headers.has('UPGRADE')).toBe(false);
    });
  });

  it('lets nobody in while Mintmark is down, or does not answer', async () => {
    const headers = bearer(reader.secret);
    await mintmark.stopped(async () => {
      expect((await get('/', { headers })).status).toBe(502);
    });
    await mintmark.during(
      () => undefined,
      async () => {
        expect((await get('/', { headers })).status).toBe(504);
      },
    );
    expect(application.visits).toEqual([]);
    expect((await get('/', { headers })).status).toBe(200);
  });
});
