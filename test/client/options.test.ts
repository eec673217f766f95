import { Hono } from 'hono';
import { describe, expect, it } from 'vitest';

import { mintmark, type MintmarkOptions } from '../../src/client/hono.ts';

const service = () => null;
const endpoint = { url: 'https://keys.example.com', credential: 'mk_live_example' };
/** What a caller without types might pass. */
const made = (options: object) => () => mintmark(options as MintmarkOptions);

describe('mintmark', () => {
  it.each<object>([
    { service },
    {
      service,
      scopes: [],
      environment: 'test',
      organization: `org_${'1'.repeat(24)}`,
      maxStaleness: 0,
      timeoutMs: 1,
    },
    { service, scopes: ['files:read'], organization: null, maxStaleness: 3_600, timeoutMs: 10_000 },
    { service, scopes: () => [], organization: async () => null, ip: () => null },
    { service, from: 'basic', realm: 'files' },
    { service, from: [{ header: 'X-API-Key' }, 'bearer', 'basic'] },
    endpoint,
    { ...endpoint, url: new URL(endpoint.url) },
    { ...endpoint, url: 'http://localhost:8787' },
    { ...endpoint, url: 'http://127.0.0.1:8787/mintmark/' },
    { ...endpoint, url: 'http://[::1]:8787' },
    { ...endpoint, credential: () => 'made later' },
  ])('is made of %j', (options) => {
    expect(made(options)).not.toThrow();
  });

  it.each([
    ['service|credential', {}],
    ['service|credential', { scopes: ['files:read'] }],
    ['service|credential', { service: undefined }],
    ['service|credential', { service: null }],
    ['service|credential', { service: { verify: () => null } }],
    ['service|credential', { credential: 'mk_live_example' }],

    ['timeoutMs', { service, timeoutMs: 0 }],
    ['timeoutMs', { service, timeoutMs: -1 }],
    ['timeoutMs', { service, timeoutMs: 1.5 }],
    ['timeoutMs', { service, timeoutMs: 10_001 }],
    ['timeoutMs', { service, timeoutMs: 20_000 }],
    ['timeoutMs', { service, timeoutMs: Infinity }],
    ['timeoutMs', { service, timeoutMs: Number.NaN }],
    ['timeoutMs', { service, timeoutMs: 'x' }],
    ['timeoutMs', { service, timeoutMs: '300' }],
    ['timeoutMs', { service, timeoutMs: null }],

    ['scopes', { service, scopes: undefined }],
    ['scopes', { service, scopes: null }],
    ['scopes', { service, scopes: 'files:read' }],
    ['scopes', { service, scopes: [1] }],
    ['scopes', { service, scopes: ['files:read', undefined] }],
    ['scopes', { service, scopes: { 0: 'files:read' } }],

    ['organization', { service, organization: undefined }],
    ['organization', { service, organization: 'default' }],
    ['organization', { service, organization: '*' }],
    ['organization', { service, organization: '' }],
    ['organization', { service, organization: ['org_1'] }],

    ['environment', { service, environment: undefined }],
    ['environment', { service, environment: null }],
    ['environment', { service, environment: 'prod' }],
    ['environment', { service, environment: 'LIVE' }],

    ['maxStaleness', { service, maxStaleness: undefined }],
    ['maxStaleness', { service, maxStaleness: 0.5 }],
    ['maxStaleness', { service, maxStaleness: '0' }],

    ['url', { ...endpoint, url: undefined }],
    ['url', { ...endpoint, url: '' }],
    ['url', { ...endpoint, url: 'keys.example.com' }],
    ['url', { ...endpoint, url: 'http://keys.example.com' }],
    ['url', { ...endpoint, url: 'http://localhost.example.com' }],
    ['url', { ...endpoint, url: 'http://127.0.0.1.example.com' }],
    ['url', { ...endpoint, url: 'http://10.0.0.1' }],
    ['url', { ...endpoint, url: 'ftp://keys.example.com' }],
    ['url', { ...endpoint, url: 'file:///keys' }],
  ])('throws a TypeError for want of %s that is good: %j', (wanting, options) => {
    expect(made(options)).toThrow(TypeError);
    expect(made(options)).toThrow(new RegExp(wanting));
  });

  it('keeps to demands that are defined in other ways than in a literal', async () => {
    class Options {
      service = () => ({ verify: (request: unknown) => Promise.resolve(asked.push(request)) });
      get scopes() {
        return ['files:admin'];
      }
    }
    const asked: unknown[] = [];
    for (const options of [new Options(), Object.create(new Options())]) {
      const app = new Hono().use(mintmark(options)).get('/', (c) => c.text('ran'));
      await app.request('/', { headers: { Authorization: 'Bearer mk_live_x' } });
    }
    expect(asked).toHaveLength(2);
    for (const request of asked) expect(request).toMatchObject({ scopes: ['files:admin'] });
  });

  it.each([
    { service, maxStaleness: -1 },
    { service, maxStaleness: 3_601 },
    { service, from: [] },
    { service, from: 'Bearer' },
    { service, from: 'cookie' },
    { service, from: { header: '' } },
    { service, from: { header: 'X API Key' } },
    { service, from: { header: 1 } },
    { service, environment: () => 'live' },
    { service, realm: 5 },
    { service, scope: ['files:read'] },
    { service, from: ['bearer', 'bearer'] },
  ])('throws a TypeError for %j, by which nobody could pass', (options) => {
    expect(made(options)).toThrow(TypeError);
  });

  it.each([
    '',
    'mk_live_secret\n',
    'mk_live secret',
    'mk_live_sécret',
    '\0mk_live_secret',
    1,
    null,
    undefined,
    {},
  ])('throws a TypeError that does not repeat it for the credential %j', (credential) => {
    expect(made({ ...endpoint, credential })).toThrow(TypeError);
    expect(made({ ...endpoint, credential })).toThrow(
      /^mintmark: credential must be visible ASCII characters$/,
    );
  });
});
