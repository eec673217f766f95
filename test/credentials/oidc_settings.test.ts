import { describe, expect, test } from 'vitest';

import { createMisconfiguredApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import { readOidcSettings, type OidcSettings } from '../../src/credentials/oidc_settings.ts';
import { IDLE_PLATFORM } from '../support/platform.ts';

type Variables = Readonly<Record<string, unknown>>;

const REQUIRED = {
  OIDC_ISSUER: 'https://login.example/realms/acme',
  OIDC_AUDIENCE: 'mintmark',
  OIDC_ORGANIZATIONS: 'default',
  OIDC_SCOPES: 'mintmark:*',
  OIDC_SCOPES_CLAIM: 'scope',
} as const;

const DEFAULTS: OidcSettings = {
  issuer: 'https://login.example/realms/acme',
  audience: ['mintmark'],
  jwksUrl: null,
  header: null,
  subjectClaim: 'sub',
  organizations: ['default'],
  organizationClaim: null,
  scopes: ['mintmark:*'],
  scopesClaim: 'scope',
  scopesByValue: null,
  clockToleranceSeconds: 30,
};

function takes(variables: Variables, settings: Partial<OidcSettings>): void {
  expect(readOidcSettings({ ...REQUIRED, ...variables })).toEqual({ oidc: { ...DEFAULTS, ...settings } });
}

/** The faults name the variables, and repeat nothing of what stands in them. */
function refuses(variables: Variables, ...names: readonly string[]): void {
  const read = readOidcSettings({ ...REQUIRED, ...variables });
  const faults = 'faults' in read ? read.faults : [];
  expect([...new Set(faults.map(({ path }) => path))], JSON.stringify(variables)).toEqual(names);
  for (const { message } of faults) expect(message).toMatch(/./);
  const bad = names
    .map((name) => variables[name])
    .filter((value) => typeof value === 'string' && value.length > 3);
  for (const value of bad) expect(JSON.stringify(faults)).not.toContain(value);
}

describe('without an issuer', () => {
  test('nothing is trusted', () => {
    expect(readOidcSettings({})).toEqual({ oidc: null });
    const empty = Object.fromEntries(Object.keys(REQUIRED).map((name) => [name, '']));
    expect(readOidcSettings({ ...empty, MINTMARK_ISSUER: 'https://keys.example' })).toEqual({ oidc: null });
  });

  test.for(
    [
      ...Object.keys(REQUIRED),
      'OIDC_JWKS_URL',
      'OIDC_HEADER',
      'OIDC_SCOPES_BY_VALUE',
      'OIDC_NONSENSE',
    ].filter((name) => name !== 'OIDC_ISSUER'),
  )('%s is a fault', (name) => {
    const faults = [{ path: 'OIDC_ISSUER', message: `is required beside ${name}` }];
    expect(readOidcSettings({ [name]: 'x' })).toEqual({ faults });
    expect(readOidcSettings({ OIDC_ISSUER: '', [name]: 'x' })).toEqual({ faults });
  });
});

describe('beside an issuer', () => {
  test('what is required is enough', () => takes({}, {}));

  test.for(Object.keys(REQUIRED).filter((name) => name !== 'OIDC_ISSUER'))('%s is required', (name) => {
    refuses({ [name]: '' }, name);
    refuses({ [name]: undefined }, name);
  });

  test('every fault is told at once', () => {
    refuses(
      { OIDC_ISSUER: 'nonsense', OIDC_AUDIENCE: '', OIDC_SCOPES: 'ü', OIDC_CLOCK_TOLERANCE_SECONDS: 'soon' },
      'OIDC_ISSUER',
      'OIDC_AUDIENCE',
      'OIDC_SCOPES',
      'OIDC_CLOCK_TOLERANCE_SECONDS',
    );
  });

  test.for(['OIDC_NONSENSE', 'OIDC_ORGANISATION_CLAIM', 'OIDC_ALGORITHMS', 'OIDC_'])(
    '%s is no setting',
    (name) => refuses({ [name]: 'tenant' }, name),
  );

  test('an empty variable is one that is not set', () => {
    takes(
      {
        OIDC_JWKS_URL: '',
        OIDC_HEADER: '',
        OIDC_SUBJECT_CLAIM: '',
        OIDC_ORGANIZATION_CLAIM: '',
        OIDC_SCOPES_BY_VALUE: '',
        OIDC_CLOCK_TOLERANCE_SECONDS: '',
      },
      {},
    );
  });
});

const BAD_URLS = [
  'login.example',
  '//login.example',
  'http://login.example',
  'http://localhost.example',
  'http://127.0.0.2',
  'http://127.0.0.1.example',
  'http://localhost@login.example',
  'https://user@login.example',
  'https://user:password@login.example',
  'ftp://login.example',
  'file:///etc/passwd',
  'javascript:alert(1)',
  'data:application/json,{}',
  'https://',
  'https://login.example:99999',
];

describe('OIDC_ISSUER', () => {
  test.for([
    'https://login.example',
    'https://login.example/',
    'https://login.example:8443/realms/acme',
    'http://localhost:8080/realms/acme',
    'http://127.0.0.1:8080',
    'http://[::1]:8080',
  ])('may be %s, and is kept to the letter', (issuer) => takes({ OIDC_ISSUER: issuer }, { issuer }));

  test.for(BAD_URLS)('is not %s', (issuer) => refuses({ OIDC_ISSUER: issuer }, 'OIDC_ISSUER'));
});

describe('OIDC_JWKS_URL', () => {
  test('may be anywhere', () => {
    const jwksUrl = 'https://keys.example/certs?realm=acme';
    takes({ OIDC_JWKS_URL: jwksUrl }, { jwksUrl });
  });

  test.for(BAD_URLS)('is not %s', (url) => refuses({ OIDC_JWKS_URL: url }, 'OIDC_JWKS_URL'));
});

describe('OIDC_AUDIENCE and OIDC_ORGANIZATIONS', () => {
  test.for<[string, readonly string[]]>([
    ['mintmark', ['mintmark']],
    [' mintmark ', ['mintmark']],
    ['mintmark,https://keys.example/', ['mintmark', 'https://keys.example/']],
    ['mintmark, other\nthird,,', ['mintmark', 'other', 'third']],
  ])('%j is a list', ([text, list]) => {
    takes({ OIDC_AUDIENCE: text }, { audience: list });
    takes({ OIDC_ORGANIZATIONS: text, OIDC_ORGANIZATION_CLAIM: '*' }, { organizations: list });
  });

  test.for([' ', ',', ' , \n'])('%j is none', (text) => {
    refuses({ OIDC_AUDIENCE: text }, 'OIDC_AUDIENCE');
    refuses({ OIDC_ORGANIZATIONS: text }, 'OIDC_ORGANIZATIONS');
  });

  test('are texts', () =>
    refuses({ OIDC_AUDIENCE: 5, OIDC_ORGANIZATIONS: ['x'] }, 'OIDC_AUDIENCE', 'OIDC_ORGANIZATIONS'));
});

describe('OIDC_ORGANIZATION_CLAIM', () => {
  test('is required where there are several organizations', () => {
    refuses({ OIDC_ORGANIZATIONS: 'default,acme' }, 'OIDC_ORGANIZATION_CLAIM');
    const organizations = ['default', 'acme'];
    takes(
      { OIDC_ORGANIZATIONS: 'default,acme', OIDC_ORGANIZATION_CLAIM: 'tenant' },
      { organizations, organizationClaim: 'tenant' },
    );
  });

  test('* says that there is none, and a token is for all of them', () => {
    takes(
      { OIDC_ORGANIZATIONS: 'default,acme', OIDC_ORGANIZATION_CLAIM: ' * ' },
      { organizations: ['default', 'acme'] },
    );
    takes({ OIDC_ORGANIZATION_CLAIM: '*' }, {});
  });
});

describe('OIDC_SCOPES', () => {
  test('is the ceiling, with blanks or commas in between', () => {
    takes(
      { OIDC_SCOPES: 'mintmark:keys:read, files:*\t*' },
      { scopes: ['mintmark:keys:read', 'files:*', '*'] },
    );
  });

  test.for(['mintmark:everything', 'mintmark', 'MINTMARK:*', 'files:*:read', 'ü', 'a;b', 'x'.repeat(129)])(
    'is not %s',
    (scope) => refuses({ OIDC_SCOPES: `mintmark:*,${scope}` }, 'OIDC_SCOPES'),
  );
});

describe('claims', () => {
  test('are named as the issuer names them', () => {
    takes(
      {
        OIDC_SUBJECT_CLAIM: ' email ',
        OIDC_ORGANIZATION_CLAIM: 'https://acme.example/tenant',
        OIDC_SCOPES_CLAIM: 'realm_access.roles',
      },
      {
        subjectClaim: 'email',
        organizationClaim: 'https://acme.example/tenant',
        scopesClaim: 'realm_access.roles',
      },
    );
  });

  test('* in place of the claim of scopes says that there is none', () => {
    takes({ OIDC_SCOPES_CLAIM: '*' }, { scopesClaim: null });
    takes({ OIDC_SCOPES_CLAIM: ' * ' }, { scopesClaim: null });
  });
});

describe('OIDC_SCOPES_BY_VALUE', () => {
  test('tells what each value stands for', () => {
    takes(
      { OIDC_SCOPES_BY_VALUE: '{"admins": ["mintmark:*", "files:*"], "nobody": [], "constructor": ["x"]}' },
      {
        scopesByValue: new Map([
          ['admins', ['mintmark:*', 'files:*']],
          ['nobody', []],
          ['constructor', ['x']],
        ]),
      },
    );
  });

  test.for([
    'nonsense',
    '{"admins": ["mintmark:*"]',
    '["mintmark:*"]',
    'null',
    '"mintmark:*"',
    '{"admins": "mintmark:*"}',
    '{"admins": [1]}',
    '{"admins": [["mintmark:*"]]}',
    '{"admins": null}',
    '{"admins": ["mintmark:everything"]}',
    '{"admins": ["a b"]}',
    '{"admins": ["mintmark:*"], "others": ["mintmark:root"]}',
  ])('is not %s', (text) => refuses({ OIDC_SCOPES_BY_VALUE: text }, 'OIDC_SCOPES_BY_VALUE'));
});

describe('OIDC_CLOCK_TOLERANCE_SECONDS', () => {
  test.for<[unknown, number]>([
    ['0', 0],
    ['300', 300],
    [0, 0],
    [300, 300],
  ])('may be %j', ([value, clockToleranceSeconds]) => {
    takes({ OIDC_CLOCK_TOLERANCE_SECONDS: value }, { clockToleranceSeconds });
  });

  test.for(['301', '-1', '1.5', '1e2', ' 5', '5s', 'Infinity', 301, -1, 1.5, NaN, Infinity, true, null])(
    'is not %j',
    (value) => refuses({ OIDC_CLOCK_TOLERANCE_SECONDS: value }, 'OIDC_CLOCK_TOLERANCE_SECONDS'),
  );
});

describe('OIDC_HEADER', () => {
  test.for(['Cf-Access-Jwt-Assertion', 'X-Goog-IAP-JWT-Assertion', 'x'.repeat(64)])('may be %s', (header) => {
    takes({ OIDC_HEADER: header }, { header });
  });

  test.for([
    'Authorization',
    'authorization',
    'X-API-KEY',
    'Cookie',
    'Host',
    'X-Request-Id',
    'mintmark-organization',
    'Mintmark-Forward-Auth',
    'Mintmark-Proxy',
    'X-Blaxel-Authorization',
    'X-Org-ID',
    'CF-Connecting-IP',
    'Content-Type',
    'Origin',
    'Sec-Fetch-Site',
    'User-Agent',
    'X Assertion',
    'X-Assertion:',
    'X-Ässertion',
    'X-A\r\nSet-Cookie',
    '__proto__',
    'x'.repeat(65),
    ' , ',
  ])('is not %j', (header) => refuses({ OIDC_HEADER: header }, 'OIDC_HEADER'));
});

test('a deployment with a fault answers every call with the variable’s name', async () => {
  const env = { ...REQUIRED, OIDC_ISSUER: 'http://login.example' };
  const read = readConfig(env as object);
  const faults = 'faults' in read ? read.faults : [];
  expect(faults).toContainEqual({ path: 'OIDC_ISSUER', message: 'must be an https URL' });
  const response = await createMisconfiguredApp(faults, IDLE_PLATFORM).request('/v1/whoami');
  expect(response.status).toBe(503);
  const text = await response.text();
  expect(text).toContain('OIDC_ISSUER');
  expect(text).not.toContain('login.example');
});
