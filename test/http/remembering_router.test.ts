import { TrieRouter } from 'hono/router/trie-router';
import { expect, it } from 'vitest';

import { RememberingRouter } from '../../src/http/remembering_router.ts';
import { TestService } from '../support/service.ts';

it('finds what Hono finds, the first time and every other, for each route that there is and what is near it', () => {
  const { routes } = new TestService().app;
  const [remembering, plain] = [new RememberingRouter<unknown>(), new TrieRouter<unknown>()];
  for (const { method, path, handler } of routes) {
    remembering.add(method, path, handler);
    plain.add(method, path, handler);
  }
  const paths = routes.flatMap(({ path }) => [
    path,
    path.replaceAll(/:\w+/g, 'x').replace('*', 'y'),
    `${path}/`,
    `${path}/more`,
  ]);
  for (const method of ['GET', 'POST', 'PATCH', 'DELETE', 'HEAD', 'PROPFIND'])
    for (const path of paths)
      for (let time = 0; time < 2; time++)
        expect(remembering.match(method, path), `${method} ${path}`).toEqual(plain.match(method, path));
});

it('remembers a path without parameters, and no other, whatever the method is called', () => {
  const router = new RememberingRouter<string>();
  router.add('ALL', '*', 'first');
  router.add('GET', '/fixed', 'fixed');
  router.add('GET', '/keys/:id', 'key');
  const isSame = (method: string, path: string) => router.match(method, path) === router.match(method, path);
  expect(isSame('GET', '/fixed')).toBe(true);
  expect(['/keys/7', '/nothing', '/fixed/'].some((path) => isSame('GET', path))).toBe(false);
  expect(['PROPFIND', 'get'].some((method) => isSame(method, '/fixed'))).toBe(false);
});

it('finds a route that was added after it was asked', () => {
  const router = new RememberingRouter<string>();
  router.add('GET', '/fixed', 'one');
  router.match('GET', '/fixed');
  router.add('GET', '/fixed', 'two');
  expect(router.match('GET', '/fixed')[0].map(([handler]) => handler)).toEqual(['one', 'two']);
});
