import { expect } from 'vitest';

import { faultsAt } from '../openapi/conforms.ts';
import type { Answer } from '../support/service.ts';

/** What other specifications than the contract say of. */
const PATHS =
  /^\/(?:v1\/forward-auth|oauth|\.well-known\/(?:jwks\.json|oauth-authorization-server))(?:[/?]|$)/;

export const isStandard = (path: string): boolean => PATHS.test(path);

const IDENTITY = ['Mintmark-Key-Id', 'Mintmark-Organization', 'Mintmark-Subject', 'Mintmark-Scopes'];

/** Holds an answer to what its specification says of all of them. */
export function conformsToStandard(answer: Answer, method: string, path: string): void {
  const title = `${method} ${path} ${answer.status} ${answer.text}`;
  expect(answer.headers.get('Cache-Control'), title).toBe('no-store');
  expect(answer.headers.get('X-Request-Id'), title).toMatch(/^[A-Za-z0-9_-]{8,64}$/);
  if (path.startsWith('/v1/')) conformsToForwardAuth(answer, title, method === 'HEAD');
}

function conformsToForwardAuth(
  { status, headers, text, body }: Answer,
  title: string,
  isHead: boolean,
): void {
  expect([200, 204, 400, 401, 403, 404, 429, 500, 503], title).toContain(status);
  for (const name of IDENTITY) expect(headers.has(name), `${title}: ${name}`).toBe(status < 300);
  if (status < 300 || isHead) expect(text, title).toBe('');
  else expect(faultsAt(body, 'components', 'schemas', 'Problem'), title).toEqual([]);
}
