import { beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { orThrow } from '../../src/client/client.ts';
import { startApplication, type Application } from './proxies/application.ts';
import { endings } from './proxies/endings.ts';
import { ask, bearer, say, statusesIn, type Answer, type Asked } from './proxies/http.ts';
import { DEFAULT_ORGANIZATION, identityOf, identityTold, SPOOFED } from './proxies/identity.ts';
import { isInstalled } from './proxies/installed.ts';
import { ROOT_KEY, startMintmark, type Minted, type Mintmark } from './proxies/mintmark.ts';
import { startNginx } from './proxies/nginx.ts';
import type { Server } from './proxies/server.ts';
import { strayKey } from './root.ts';

const PROTECTED_PAGE = 'For whoever has a key that may read files.';
const PUBLIC_PAGE = 'For everybody.';

describe.skipIf(!isInstalled('nginx'))('nginx, as in the example,', () => {
  let mintmark: Mintmark;
  let application: Application;
  let nginx: Server;
  let reader: Minted;
  let writer: Minted;

  const atTheEnd = endings();
  beforeAll(async () => {
    mintmark = await startMintmark();
    atTheEnd(mintmark.close);
    application = await startApplication();
    atTheEnd(application.close);
    nginx = await startNginx({ mintmark: mintmark.port, application: application.port });
    atTheEnd(nginx.stop);
    reader = await mintmark.mint('files:read');
    writer = await mintmark.mint('files:write');
  });
  beforeEach(() => {
    application.visits.length = 0;
  });

  const get = (path: string, asked: Asked = {}) => ask(nginx.port, path, asked);
  const getAs = (key: string, path: string, { headers, ...asked }: Asked = {}) =>
    get(path, { ...asked, headers: { ...headers, ...bearer(key) } });

  /** A request that nginx must not let pass. */
  async function refuses(status: number, path: string, asked: Asked = {}): Promise<Answer> {
    const answer = await get(path, asked);
    expect(answer.status, `${asked.method} ${path}`).toBe(status);
    expect(answer.body).not.toContain(PROTECTED_PAGE);
    expect(application.visits).toEqual([]);
    return answer;
  }

  describe('lets pass', () => {
    it('whoever has the key, in each place where a key may be', async () => {
      for (const headers of [
        bearer(reader.secret),
        { authorization: `bearer ${reader.secret}` },
        { Authorization: `Basic ${btoa(`${reader.secret}:`)}` },
        { 'x-api-key': reader.secret },
      ]) {
        const answer = await get('/', { headers });
        expect([answer.status, answer.body]).toEqual([200, expect.stringContaining(PROTECTED_PAGE)]);
        expect(answer.headers).not.toHaveProperty('www-authenticate');
        expect(answer.headers).not.toHaveProperty('retry-after');
      }
    });

    it('what asks for a page in another way', async () => {
      const whole = await getAs(reader.secret, '/index.html');
      const head = await getAs(reader.secret, '/index.html', { method: 'HEAD' });
      expect([head.status, head.headers['content-length']]).toEqual([200, String(whole.body.length)]);
      const range = await getAs(reader.secret, '/index.html', { headers: { Range: 'bytes=0-8' } });
      expect([range.status, range.body]).toEqual([206, whole.body.slice(0, 9)]);
      const headers = { 'If-None-Match': String(whole.headers.etag) };
      expect((await getAs(reader.secret, '/index.html', { headers })).status).toBe(304);
      expect((await getAs(reader.secret, '/none.html')).status).toBe(404);
    });

    it('a request with a body, whole, of which Mintmark gets nothing', async () => {
      for (const [length, headers] of [
        [9, {}],
        [1_000_000, {}],
        [300_000, { 'Transfer-Encoding': 'chunked' }],
        [300_000, { Expect: '100-continue' }],
      ] as const) {
        application.visits.length = 0;
        const questions = await mintmark.questionsOf(async () => {
          const asked = { method: 'POST', headers, body: Buffer.alloc(length, 'x') };
          expect((await getAs(reader.secret, '/app/files?a=b', asked)).status).toBe(200);
        });
        expect(application.visits).toEqual([
          expect.objectContaining({ method: 'POST', url: '/app/files?a=b', length }),
        ]);
        expect(questions.map(({ body }) => body)).toEqual(['']);
      }
    });

    it('everybody to what is public, without asking', async () => {
      const questions = await mintmark.questionsOf(async () => {
        for (const path of ['/public/', '/public/index.html']) {
          expect((await get(path)).body).toContain(PUBLIC_PAGE);
          expect((await getAs(strayKey(), path)).body).toContain(PUBLIC_PAGE);
        }
        expect((await get('/public/app/')).status).toBe(200);
      });
      expect(questions).toEqual([]);
    });

    it('a key with as many and as long scopes as there may be', async () => {
      const scopes = Array.from({ length: 99 }, (_, index) => `${index}:${'x'.repeat(125)}`);
      const { secret } = await mintmark.mint('files:read', ...scopes);
      expect((await getAs(secret, '/app/')).status).toBe(200);
      expect(identityTold(application)['MINTMARK_SCOPES']?.split(' ')).toHaveLength(100);
    });
  });

  describe('asks Mintmark', () => {
    it('once for a request, and tells it nothing but the key and the user agent', async () => {
      const headers = {
        'User-Agent': 'curl/9',
        Cookie: 'session=1',
        'Content-Type': 'text/plain',
        'X-Forwarded-For': '192.0.2.1',
        'CF-Connecting-IP': '192.0.2.1',
        'X-Request-Id': 'a-request-id',
        'Mintmark-Proxy': 'other',
        'Mintmark-Forward-Auth': 'other/-',
        'Mintmark-Organization': 'other',
      };
      const questions = await mintmark.questionsOf(() =>
        getAs(reader.secret, '/?scopes=-&organization=other', { method: 'GET', headers, body: 'a body' }),
      );
      expect(questions).toEqual([
        {
          method: 'GET',
          url: '/v1/forward-auth/default/files:read',
          headers: [
            ['host', 'localhost'],
            ['authorization', `Bearer ${reader.secret}`],
            ['user-agent', 'curl/9'],
            ['mintmark-proxy', 'nginx'],
          ],
          body: '',
        },
      ]);
    });

    it.each(['/', '/index.html', '/none', '/app/', '/app/x'])('once, where the path is %s', async (path) => {
      expect(await mintmark.questionsOf(() => getAs(reader.secret, path))).toHaveLength(1);
      expect(await mintmark.questionsOf(() => get(path))).toHaveLength(1);
    });
  });

  describe('refuses', () => {
    const PATHS = ['/', '/index.html', '/none', '/app/', '/app/x?public=1'];

    it('whoever has no key, and says what is needed', async () => {
      for (const path of PATHS) {
        const { headers } = await refuses(401, path);
        expect(headers['www-authenticate']).toBe('Bearer realm="mintmark"');
      }
    });

    it('a key that is none, unknown, or not for here', async () => {
      const { slug } = orThrow(
        await mintmark.client.organizations.create({ name: 'Other', slug: 'other', keyPrefix: 'other' }),
      );
      const other = mintmark.clientOf(slug);
      const account = orThrow(await other.serviceAccounts.create({ name: 'a', permissions: ['files:read'] }));
      const foreign = orThrow(await other.keys.create({ name: 'key', serviceAccountId: account.id }));
      for (const key of ['no-key', `${reader.secret}x`, strayKey(), foreign.secret, ROOT_KEY]) {
        for (const headers of [bearer(key), { 'X-API-Key': key }]) {
          const answer = await refuses(401, '/', { headers });
          expect(answer.headers['www-authenticate']).toBe('Bearer realm="mintmark", error="invalid_token"');
        }
      }
    });

    it('a key that was revoked, and one whose account is disabled, for as long', async () => {
      const revoked = await mintmark.mint('files:read');
      expect((await getAs(revoked.secret, '/')).status).toBe(200);
      orThrow(await mintmark.client.keys.revoke(revoked.id));
      await refuses(401, '/', { headers: bearer(revoked.secret) });

      const disabled = await mintmark.mint('files:read');
      expect((await getAs(disabled.secret, '/')).status).toBe(200);
      orThrow(await mintmark.client.serviceAccounts.disable(disabled.accountId));
      await refuses(401, '/', { headers: bearer(disabled.secret) });
      orThrow(await mintmark.client.serviceAccounts.enable(disabled.accountId));
      expect((await getAs(disabled.secret, '/')).status).toBe(200);
    });

    it('a key that lacks the scope, and says which', async () => {
      for (const path of PATHS) {
        const { headers } = await refuses(403, path, { headers: bearer(writer.secret) });
        expect(headers['www-authenticate']).toBe(
          'Bearer realm="mintmark", error="insufficient_scope", scope="files:read"',
        );
        expect(headers).not.toHaveProperty('retry-after');
      }
    });

    it('two keys at once', async () => {
      const both = { ...bearer(reader.secret), 'X-API-Key': reader.secret };
      await refuses(403, '/', { headers: both });
      // Which of two equal headers counts differs between versions of nginx; one that is refused is never made up for.
      for (const name of ['Authorization', 'X-API-Key']) {
        const [bad, good] = [strayKey(), reader.secret].map((key) =>
          name === 'X-API-Key' ? key : `Bearer ${key}`,
        );
        const { status, body } = await get('/app/', { headers: { [name]: [bad ?? '', good ?? ''] } });
        expect([400, 401, 403]).toContain(status);
        expect(body).not.toContain(PROTECTED_PAGE);
      }
      expect(application.visits).toEqual([]);
    });

    it('a key in the query or in a cookie', async () => {
      await refuses(401, `/?key=${reader.secret}&access_token=${reader.secret}&api_key=${reader.secret}`);
      await refuses(401, '/', { headers: { Cookie: `X-API-Key=${reader.secret}` } });
      await refuses(401, '/', { headers: { X_API_Key: reader.secret } });
    });

    it('a request with a body', async () => {
      for (const length of [9, 1_000_000])
        await refuses(401, '/app/', { method: 'POST', body: Buffer.alloc(length, 'x') });
    });
  });

  describe('tells the application', () => {
    it('whose key it is, and not the key', async () => {
      for (const headers of [bearer(reader.secret), { 'X-API-Key': reader.secret }]) {
        application.visits.length = 0;
        await get('/app/', { headers });
        expect(identityTold(application)).toEqual(identityOf(reader));
        expect(JSON.stringify(application.visits.map((visit) => [...visit.headers]))).not.toContain(
          reader.secret,
        );
      }
    });

    it('of a person, by the application’s own identifier, in which nothing ends a header', async () => {
      const root = mintmark.client;
      orThrow(await root.organizations.update(DEFAULT_ORGANIZATION, { personalKeyPermissions: ['files:*'] }));
      const userId = 'ada@acme.example, "50%"; y=<z>';
      const { key, secret } = orThrow(
        await root.keys.create({ name: 'laptop', userId, scopes: ['files:read'] }),
      );
      await getAs(secret, '/app/');
      const { MINTMARK_SUBJECT: subject = '', ...identity } = identityTold(application);
      expect(subject).toBe('ada@acme.example%2C%20%2250%25%22%3B%20y%3D%3Cz%3E');
      expect(decodeURIComponent(subject)).toBe(userId);
      expect(identity['MINTMARK_KEY_ID']).toBe(key.id);
    });

    it('nothing that the client says of itself', async () => {
      await getAs(reader.secret, '/app/', { headers: SPOOFED });
      expect(identityTold(application)).toEqual(identityOf(reader));
      for (const asked of [{ headers: SPOOFED }, { headers: { ...SPOOFED, ...bearer(reader.secret) } }]) {
        application.visits.length = 0;
        expect((await get('/public/app/', asked)).status).toBe(200);
        expect(identityTold(application)).toEqual({});
      }
    });

    it('nothing that the client says of itself, where the key has no scopes', async () => {
      const scopeless = await startNginx({
        mintmark: mintmark.port,
        application: application.port,
        changes: [['/default/files:read;', '/default/-;']],
      });
      const nobody = await mintmark.mint();
      atTheEnd(scopeless.stop);
      await ask(scopeless.port, '/app/', { headers: { ...SPOOFED, ...bearer(nobody.secret) } });
      const { MINTMARK_SCOPES: _, ...identity } = identityOf(nobody);
      expect(identityTold(application)).toEqual(identity);
    });

    it.each([
      ['a continued line', 'X-A: a\r\n Mintmark-Key-Id: spoofed'],
      ['a line that ends by a line feed alone', 'X-A: a\nMintmark-Key-Id: spoofed'],
      ['a line that ends by a carriage return alone', 'X-A: a\rMintmark-Key-Id: spoofed'],
      ['a blank before the colon', 'Mintmark-Key-Id : spoofed'],
      ['a tab before the colon', 'Mintmark-Key-Id\t: spoofed'],
      ['a blank before the name', ' Mintmark-Key-Id: spoofed'],
      ['a dot for a dash', 'Mintmark.Key.Id: spoofed'],
      ['a NUL in the name', 'Mintmark-Key-Id\0: spoofed'],
      ['a NUL in a value', 'X-A: a\0\r\nMintmark-Key-Id: spoofed'],
      ['no value, then one', 'Mintmark-Key-Id:\r\nMintmark-Key-Id: spoofed'],
      ['a trailer', 'Transfer-Encoding: chunked\r\nTrailer: Mintmark-Key-Id'],
    ])('nothing of a client’s that comes by %s', async (_, lines) => {
      const body = lines.includes('chunked') ? '0\r\nMintmark-Key-Id: spoofed\r\n\r\n' : '';
      const sent = (path: string, added: string) =>
        `POST ${path} HTTP/1.1\r\nHost: a\r\nX-API-Key: ${reader.secret}\r\n${added}\r\nConnection: close\r\n\r\n`;
      for (const [path, id] of [
        ['/app/', reader.id],
        ['/public/app/', undefined],
      ] as const) {
        application.visits.length = 0;
        await say(nginx.port, sent(path, 'X-A: a'));
        expect(application.visits).toHaveLength(1);
        await say(nginx.port, sent(path, lines) + body);
        for (const { headers } of application.visits) expect(headers.get('MINTMARK_KEY_ID')).toBe(id);
      }
    });
  });

  describe('judges', () => {
    let alone: Server;

    // With the application of the example, which answers any method.
    beforeAll(async () => {
      alone = await startNginx({ mintmark: mintmark.port });
      atTheEnd(alone.stop);
    });

    it.each([
      'GET',
      'HEAD',
      'POST',
      'PUT',
      'PATCH',
      'DELETE',
      'OPTIONS',
      'PROPFIND',
      'MKCOL',
      'PURGE',
      'FOO',
    ])('what is done by %s', async (method) => {
      for (const path of ['/', '/app/']) {
        expect((await ask(alone.port, path, { method })).status).toBe(401);
        const headers = bearer(writer.secret);
        expect((await ask(alone.port, path, { method, headers })).status).toBe(403);
      }
      const { status, body } = await ask(alone.port, '/app/', { method, headers: bearer(reader.secret) });
      expect(status).toBe(200);
      if (method !== 'HEAD')
        expect(body).toBe(
          `Key-Id [${reader.id}] Organization [${DEFAULT_ORGANIZATION}] Subject [${reader.accountId}] Scopes [files:read]\n`,
        );
    });

    it.each(['TRACE', 'CONNECT', 'get'])(
      'nothing that is done by %s, which it refuses itself',
      async (method) => {
        for (const target of ['/', '/app/', 'a:443']) {
          const answers = await say(
            nginx.port,
            `${method} ${target} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${reader.secret}\r\nConnection: close\r\n\r\n`,
          );
          expect(answers).not.toContain(PROTECTED_PAGE);
          for (const status of statusesIn(answers)) expect([400, 405]).toContain(status);
        }
        expect(application.visits).toEqual([]);
      },
    );

    it.each([
      '//',
      '/./',
      '//index.html',
      '/%69ndex.html',
      '/public/../',
      '/public/../index.html',
      '/public/%2e%2e/index.html',
      '/public/..%2findex.html',
      '/public/%2E%2E%2Findex.html',
      '/public//../index.html',
      '/public/./../index.html',
      '/public/x/../../index.html',
      '/public/../app/',
      '/public/app/../../app/',
      '/public/app/%2e%2e/%2e%2e/app/',
      '/public/app/..%2f..%2fapp/',
      '/app/../app/',
      '/publicity/',
      '/public',
      '/PUBLIC/',
      '/Public/index.html',
      'http://127.0.0.1/index.html',
      'http://public/index.html',
      'HTTP://public/public/../index.html',
      '/?/public/',
      '/;/public/',
      '/index.html;/public/',
      '/index.html?x=/public/',
    ])('who asks for %s', async (path) => {
      await refuses(401, path);
      const { status } = await getAs(writer.secret, path);
      expect(status).toBe(403);
    });

    it.each([
      '/_mintmark',
      '/_mintmark?x',
      '/%5fmintmark',
      '/public/../_mintmark',
      '/public/..;/index.html',
      '/public/..\\index.html',
      '/public/%5c..%5cindex.html',
      '/public/index.html%00',
      '/public/%252e%252e/index.html',
      '/..',
      '/../nginx.conf',
      '/public/../../nginx.conf',
      '/public/..%2f..%2fnginx.conf',
      '/index.html%00',
    ])('%s to be nothing that there is', async (path) => {
      for (const headers of [{}, bearer(reader.secret)]) {
        const answer = await get(path, { headers });
        expect([400, 404]).toContain(answer.status);
        expect(answer.body).not.toContain(PROTECTED_PAGE);
        expect(answer.body).not.toContain('auth_request');
      }
      expect(application.visits).toEqual([]);
    });

    it('each request of a connection by itself', async () => {
      const request = (path: string, key?: string, last = false) =>
        `GET ${path} HTTP/1.1\r\nHost: a\r\n${key === undefined ? '' : `X-API-Key: ${key}\r\n`}${last ? 'Connection: close\r\n' : ''}\r\n`;
      const answers = await say(
        nginx.port,
        request('/', reader.secret) +
          request('/') +
          request('/public/') +
          request('/') +
          request('/', writer.secret) +
          request('/', reader.secret) +
          request('/app/', undefined, true),
      );
      expect(statusesIn(answers)).toEqual([200, 401, 200, 401, 403, 200, 401]);
      expect(answers.split(PROTECTED_PAGE)).toHaveLength(3);
      expect(application.visits).toEqual([]);
    });

    it('no request that hides in another', async () => {
      const hidden = `GET /app/hidden HTTP/1.1\r\nHost: a\r\n\r\n`;
      for (const lines of [
        `Content-Length: ${hidden.length + 5}\r\nTransfer-Encoding: chunked`,
        `Transfer-Encoding: chunked\r\nContent-Length: 5`,
        'Transfer-Encoding: xchunked',
        'Transfer-Encoding : chunked',
        'Transfer-Encoding: chunked, identity',
        'Content-Length: 0\r\nContent-Length: 5',
        'Content-Length: +5',
      ]) {
        await say(
          nginx.port,
          `POST /public/app/ HTTP/1.1\r\nHost: a\r\n${lines}\r\n\r\n0\r\n\r\n${hidden}GET / HTTP/1.0\r\n\r\n`,
        );
        expect(application.visits.map(({ url }) => url)).not.toContain('/app/hidden');
      }
    });

    it('clients that speak HTTP/1.0 and 0.9', async () => {
      const old = (lines: string) => say(nginx.port, `GET /index.html HTTP/1.0\r\n${lines}\r\n`);
      expect(statusesIn(await old(''))).toEqual([401]);
      expect(await old(`X-API-Key: ${reader.secret}\r\n`)).toContain(PROTECTED_PAGE);
      expect(await say(nginx.port, 'GET /index.html\r\n')).not.toContain(PROTECTED_PAGE);
    });

    it('one who names another host', async () => {
      for (const host of ['mintmark', 'application', '127.0.0.1:8081', 'localhost', ''])
        await refuses(401, '/app/', { headers: { Host: host } });
    });

    describe('who asks for an upgrade', () => {
      const HANDSHAKE = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n';
      const LAST = 'GET /public/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
      const request = (path: string, upgrade: string, lines = '') =>
        `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: ${upgrade}\r\n${HANDSHAKE}${lines}\r\n`;

      it('to a WebSocket like anybody', async () => {
        expect(statusesIn(await say(nginx.port, request('/app/', 'websocket') + LAST))).toEqual([401, 200]);
        const lacking = request('/app/', 'websocket', `X-API-Key: ${writer.secret}\r\n`);
        expect(statusesIn(await say(nginx.port, lacking + LAST))).toEqual([403, 200]);
        expect(application.visits).toEqual([]);
      });

      it('to a WebSocket, and is let through with an identity', async () => {
        const spoofing = `Mintmark-Subject: spoofed\r\nX-API-Key: ${reader.secret}\r\n`;
        const answers = await say(nginx.port, request('/app/', 'WebSocket', spoofing));
        expect(answers).toMatch(/^HTTP\/1\.1 101 [\s\S]*Sec-WebSocket-Accept: [\s\S]*\r\n\r\nthrough$/);
        expect(identityTold(application)).toEqual(identityOf(reader));
      });

      it('to a WebSocket where it is public, and is nobody', async () => {
        const answers = await say(
          nginx.port,
          request('/public/app/', 'websocket', 'Mintmark-Subject: spoofed\r\n'),
        );
        expect(statusesIn(answers)).toEqual([101]);
        expect(identityTold(application)).toEqual({});
      });

      it.each(['h2c', 'h2c, websocket', 'websocket, h2c', 'TLS/1.0', 'websocketx'])(
        'to %s in vain',
        async (upgrade) => {
          const settings = 'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n';
          expect(
            statusesIn(await say(nginx.port, request('/public/app/', upgrade, settings) + LAST)),
          ).toEqual([200, 200]);
          expect(application.visits[0]?.headers.has('UPGRADE')).toBe(false);
        },
      );
    });
  });
});
