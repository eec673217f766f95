import { expect, it } from 'vitest';

import { TestService } from '../support/service.ts';
import { conforms, DOCUMENT } from './conforms.ts';

const service = new TestService();

it('/openapi.json is the document', async () => {
  const answer = await service.call('GET', '/openapi.json', { credential: null });
  conforms(answer, 'GET', '/openapi.json');
  expect(answer.body).toEqual(DOCUMENT);
});

it('/docs asks for nothing of another origin, and its policy allows nothing else', async () => {
  const answer = await service.call('GET', '/docs', { credential: null });
  conforms(answer, 'GET', '/docs');
  expect(answer.text).not.toMatch(/(?:https?:)?\/\/[a-z]/i);
  const policy = answer.headers.get('Content-Security-Policy') ?? '';
  expect(policy).toContain("default-src 'none'");
  expect(policy).not.toContain('unsafe');
  const [, nonce = ''] = /'nonce-([^']+)'/.exec(policy) ?? [];
  expect(answer.text).toContain(`<script nonce="${nonce}">`);
  const again = await service.call('GET', '/docs', { credential: null });
  expect(again.headers.get('Content-Security-Policy')).not.toContain(nonce);
});
