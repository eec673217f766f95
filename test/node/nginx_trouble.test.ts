import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

import { beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { startApplication, type Application } from './proxies/application.ts';
import { endings } from './proxies/endings.ts';
import { ask, bearer } from './proxies/http.ts';
import { isInstalled } from './proxies/installed.ts';
import { startMintmark, type Minted, type Mintmark } from './proxies/mintmark.ts';
import { startNginx } from './proxies/nginx.ts';
import type { Server } from './proxies/server.ts';
import { strayKey } from './root.ts';

const PATIENCE_MS = 20_000;

describe.skipIf(!isInstalled('nginx'))('nginx, as in the example,', () => {
  let mintmark: Mintmark;
  let application: Application;
  let nginx: Server;
  let reader: Minted;

  const atTheEnd = endings();
  beforeAll(async () => {
    mintmark = await startMintmark();
    atTheEnd(mintmark.close);
    application = await startApplication();
    atTheEnd(application.close);
    nginx = await startNginx({ mintmark: mintmark.port, application: application.port });
    atTheEnd(nginx.stop);
    reader = await mintmark.mint('files:read');
  });
  beforeEach(() => {
    application.visits.length = 0;
  });

  const get = (path: string, key = reader.secret) => ask(nginx.port, path, { headers: bearer(key) });

  async function lets(work: () => Promise<{ status: number }>): Promise<void> {
    expect((await work()).status).toBe(200);
  }

  /** Nobody gets to what is protected, with a key or without, nor is anybody told that the key is at fault. */
  async function closesAll(retryAfter: string): Promise<void> {
    for (const path of ['/', '/app/']) {
      for (const headers of [{}, bearer(reader.secret), bearer(strayKey())]) {
        const answer = await ask(nginx.port, path, { headers });
        expect([answer.status, answer.headers['retry-after']]).toEqual([503, retryAfter]);
        expect(answer.headers).not.toHaveProperty('www-authenticate');
      }
    }
    expect(application.visits).toEqual([]);
  }

  describe('while Mintmark', () => {
    it('is down lets nobody in, says so at once, and serves what is public', async () => {
      await lets(() => get('/app/'));
      application.visits.length = 0;
      await mintmark.stopped(async () => {
        const before = Date.now();
        await closesAll('5');
        expect(Date.now() - before).toBeLessThan(5_000);
        await lets(() => get('/public/'));
        await lets(() => get('/public/app/'));
      });
      await lets(() => get('/app/'));
    });

    it('does not answer lets nobody in, and waits five seconds', async () => {
      await mintmark.during(
        () => undefined,
        async () => {
          const before = Date.now();
          const answers = await Promise.all([get('/'), get('/app/'), ask(nginx.port, '/')]);
          expect(answers.map(({ status }) => status)).toEqual([503, 503, 503]);
          expect(Date.now() - before).toBeGreaterThan(4_000);
          expect(Date.now() - before).toBeLessThan(PATIENCE_MS);
        },
      );
      expect(application.visits).toEqual([]);
      await lets(() => get('/'));
    });

    const answered =
      (status: number, headers: Readonly<Record<string, string>> = {}) =>
      (response: ServerResponse) =>
        response.writeHead(status, headers).end('A body');
    it.each<[string, (response: ServerResponse) => unknown]>([
      ['hangs up', (response) => response.destroy()],
      ['answers what is not HTTP', (response) => response.socket?.end('What?\r\n\r\n')],
      ['answers headers that are too long', answered(204, { 'Mintmark-Scopes': 'x'.repeat(17_000) })],
      ...[301, 302, 400, 404, 407, 429, 500, 502, 503]
        .map((status) => [`answers ${status}`, answered(status, { Location: '/public/' })] as const)
        .map(([name, fault]): [string, typeof fault] => [name, fault]),
    ])('%s lets nobody in', async (_, fault) => {
      await mintmark.during(fault, () => closesAll('5'));
      await lets(() => get('/'));
    });

    it('has no verdict lets nobody in, and says when to try again', async () => {
      // What it makes of 429 and 503 for nginx.
      await mintmark.during(answered(403, { 'Retry-After': '7' }), () => closesAll('7'));
      await lets(() => get('/'));
    });

    it('says yes without saying to whom lets pass without an identity', async () => {
      await mintmark.during(answered(204), async () => {
        const headers = { ...bearer(reader.secret), 'Mintmark-Key-Id': 'spoofed', 'Mintmark-Scopes': '*' };
        await lets(() => ask(nginx.port, '/app/', { headers }));
      });
      const names = application.visits.flatMap(({ headers }) => [...headers.keys()]);
      expect(names.filter((name) => name.startsWith('MINTMARK'))).toEqual([]);
    });

    it('remembers nothing: a key that is revoked is refused by the next request', async () => {
      const doomed = await mintmark.mint('files:read');
      await lets(() => get('/', doomed.secret));
      await mintmark.client.keys.revoke(doomed.id);
      expect((await get('/', doomed.secret)).status).toBe(401);
    });
  });

  it('limits each client, before it asks Mintmark', async () => {
    const limited = await startNginx({ mintmark: mintmark.port, limit: 'as in the example' });
    atTheEnd(limited.stop);
    const headers = bearer(reader.secret);
    let statuses: number[] = [];
    const questions = await mintmark.questionsOf(async () => {
      const all = Array.from({ length: 200 }, () => ask(limited.port, '/app/', { headers }));
      statuses = (await Promise.all(all)).map(({ status }) => status);
    });
    const passed = statuses.filter((status) => status === 200);
    expect(new Set(statuses)).toEqual(new Set([200, 429]));
    expect(passed.length).toBeGreaterThan(40);
    expect(questions).toHaveLength(passed.length);
    const deadline = Date.now() + PATIENCE_MS;
    while ((await ask(limited.port, '/', { headers })).status !== 200) {
      expect(Date.now()).toBeLessThan(deadline);
      await sleep(50);
    }
  });

  // The last, since after it Mintmark pauses unknown keys.
  it('passes on that Mintmark refuses a flood of unknown keys, and lets known ones pass', async () => {
    await lets(() => get('/'));
    const outcomes = new Set<string>();
    // Twice the limit and more, for a minute may end meanwhile.
    for (let index = 0; index < 250 && outcomes.size < 2; index++) {
      const { status, headers } = await get('/app/', strayKey());
      outcomes.add(`${status} ${headers['retry-after']}`);
    }
    expect([...outcomes]).toEqual(['401 undefined', '503 10']);
    expect(application.visits).toEqual([]);
    await lets(() => get('/'));
  });
});
