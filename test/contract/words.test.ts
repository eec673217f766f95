import { describe, expect, test } from 'vitest';
import type * as z from 'zod/mini';

import { readConfig } from '../../src/config.ts';
import {
  accountKeyQuery,
  keyListRequest,
  newKey,
  revocation,
  rotation,
} from '../../src/contract/api_keys.ts';
import { auditEventQuery } from '../../src/contract/audit_events.ts';
import { answeredMetadata, timestamp } from '../../src/contract/fields.ts';
import { newOrganization } from '../../src/contract/organizations.ts';
import { problem } from '../../src/contract/problem.ts';
import { newServiceAccount } from '../../src/contract/service_accounts.ts';
import { boundVerifyRequest, verifyRequest } from '../../src/contract/verdict.ts';
import { MAX_NAME_LENGTH } from '../../src/core/constants.ts';
import { readOidcSettings } from '../../src/credentials/oidc_settings.ts';

/*
 * What zod finds wrong, and the words that it is told in. Some of these are zod's own in English, which the build of zod that
 * is used here does not bring: they are told by src/contract/zod.ts. Classic zod brings them, so nothing here may import it.
 */

interface Issue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

const said = (issues: readonly Issue[] = []): string[] =>
  issues.map(({ path, message }) => `${path.join('.')}: ${message}`);

/** A schema, what it is given, and what it says of that. */
type Row = readonly [z.ZodMiniType, unknown, ...string[]];

const ROWS: Readonly<Record<string, Row>> = {
  'nothing at all': [newKey, undefined, ': is required'],
  'what is no object': [newKey, null, ': must be a JSON object'],
  'a list for an object': [verifyRequest, [], ': must be a JSON object'],
  'a field that is missing': [verifyRequest, {}, 'key: is required'],
  'a number for text': [verifyRequest, { key: 7 }, 'key: must be a string'],
  'null for text': [verifyRequest, { key: null }, 'key: must be a string'],
  'several for one text': [accountKeyQuery, { search: ['a', 'b'] }, 'search: must be a single string'],
  'text for a number': [verifyRequest, { key: '', maxStaleness: '1' }, 'maxStaleness: must be a number'],
  'no number for a number': [verifyRequest, { key: '', maxStaleness: NaN }, 'maxStaleness: must be a number'],
  'a fraction': [verifyRequest, { key: '', maxStaleness: 1.5 }, 'maxStaleness: must be a whole number'],
  'text for a boolean': [revocation, { lineage: 'yes' }, 'lineage: must be true or false'],
  'text for a list': [verifyRequest, { key: '', scopes: 'a' }, 'scopes: must be a list'],
  'a number in a list': [verifyRequest, { key: '', scopes: ['a', 1] }, 'scopes.1: must be a string'],
  'a list for a record': [answeredMetadata, [], ': must be record'],
  'none of the words': [verifyRequest, { key: '', environment: 'prod' }, 'environment: must be live or test'],
  'too small a number': [verifyRequest, { key: '', maxStaleness: -1 }, 'maxStaleness: must be at least 0'],
  'too big a number': [keyListRequest, { limit: 101 }, 'limit: must be at most 100'],
  'a number that is not exact': [
    problem.shape.status,
    2 ** 53,
    `: must be at most ${Number.MAX_SAFE_INTEGER}`,
  ],
  'a field that is not known': [verifyRequest, { key: '', 'a b': 1 }, ': Unrecognized key: "a b"'],
  'fields that are not known': [verifyRequest, { key: '', a: 1, b: 2 }, ': Unrecognized keys: "a", "b"'],
  'what is no time of an answer': [timestamp, '2030-01-31', ': Invalid ISO datetime'],
  'what JSON can’t hold': [answeredMetadata, { a: undefined }, 'a: Invalid input'],
  'what is no time': [
    auditEventQuery,
    { from: '2030-01-31' },
    'from: must be an RFC 3339 date and time with an offset, such as 2030-01-31T12:00:00Z',
  ],
  'what is no address': [verifyRequest, { key: '', ip: '1.2.3' }, 'ip: must be an IPv4 or IPv6 address'],
  'what is no organization': [
    boundVerifyRequest,
    { key: '', organization: 'acme' },
    'organization: must be the id of an organization, org_…, or own',
  ],
  'what breaks a pattern': [
    newOrganization,
    { name: 'Acme', slug: 'A', keyPrefix: '1' },
    'slug: must have 1 to 63 characters of a-z, 0-9 and -',
    'keyPrefix: must be a letter of a-z and 1 to 15 more characters of a-z and 0-9',
  ],
  'what is no whole number': [
    auditEventQuery,
    { limit: 'ten' },
    'limit: must be a whole number from 1 to 100',
  ],
  'a whole number out of bounds': [
    auditEventQuery,
    { limit: '101' },
    'limit: must be a whole number from 1 to 100',
  ],
  'a cursor that is none': [
    auditEventQuery,
    { cursor: '!' },
    'cursor: must be the nextCursor of a page of this list',
  ],
  'what breaks two rules': [
    newServiceAccount,
    { name: `\t${'x'.repeat(MAX_NAME_LENGTH)}` },
    'name: must not contain control characters',
    `name: must have 1 to ${MAX_NAME_LENGTH} characters`,
  ],
  'a custom type': [newServiceAccount, { name: 'a', metadata: 'b' }, 'metadata: must be a JSON object'],
  'a rule over several fields, beside what is wrong in one': [
    rotation,
    { expiresAt: 1, expiresIn: '1d' },
    'expiresAt: must be an RFC 3339 date and time with an offset, such as 2030-01-31T12:00:00Z',
    'expiresIn: give expiresAt or expiresIn, not both',
  ],
  'two rules over several fields': [
    newKey,
    { expiresAt: '2030-01-31T12:00:00Z', expiresIn: '1d' },
    'name: is required',
    'expiresIn: give expiresAt or expiresIn, not both',
    'serviceAccountId: give exactly one of serviceAccountId and userId',
  ],
};

describe('a schema says of', () => {
  test.for(Object.entries(ROWS))('%s', ([, [schema, input, ...words]]) => {
    expect(said(schema.safeParse(input).error?.issues)).toEqual(words);
  });
});

const COORDINATE = 'A'.repeat(43);
const OIDC = {
  OIDC_ISSUER: 'https://login.example',
  OIDC_AUDIENCE: 'mintmark',
  OIDC_ORGANIZATIONS: 'default',
  OIDC_SCOPES: 'mintmark:*',
  OIDC_SCOPES_CLAIM: '*',
};

/** Variables, and what is said of them. */
const SETTINGS: Readonly<Record<string, readonly [Readonly<Record<string, unknown>>, string]>> = {
  'a number that is none': [
    { TOKEN_LIFETIME_SECONDS: 'soon' },
    'TOKEN_LIFETIME_SECONDS: must be a whole number from 30 to 86400',
  ],
  'a number of another type': [
    { TOKEN_LIFETIME_SECONDS: true },
    'TOKEN_LIFETIME_SECONDS: must be a whole number from 30 to 86400',
  ],
  'an issuer that is no text': [{ MINTMARK_ISSUER: 1 }, 'MINTMARK_ISSUER: Invalid input'],
  'a key that is no JSON': [
    { MINTMARK_SIGNING_KEY_PREVIOUS: '{' },
    'MINTMARK_SIGNING_KEY_PREVIOUS: must be a JWK, as JSON: kty EC, crv P-256, x and y',
  ],
  'a key of another kind': [
    { MINTMARK_SIGNING_KEY: '{"kty":"RSA"}' },
    'MINTMARK_SIGNING_KEY: must be a private JWK, as JSON: kty EC, crv P-256, x, y and d',
  ],
  'a key that is cut short': [
    {
      MINTMARK_SIGNING_KEY: JSON.stringify({
        kty: 'EC',
        crv: 'P-256',
        x: COORDINATE,
        y: COORDINATE,
        d: 'A',
      }),
    },
    'MINTMARK_SIGNING_KEY.d: Invalid string: must match pattern /^[A-Za-z0-9_-]{43}$/',
  ],
  'a tolerance that is no number': [
    { ...OIDC, OIDC_CLOCK_TOLERANCE_SECONDS: 'none' },
    'OIDC_CLOCK_TOLERANCE_SECONDS: Invalid string: must match pattern /^[0-9]{1,3}$/',
  ],
  'claims that are no JSON': [
    { ...OIDC, OIDC_SCOPES_BY_VALUE: '{' },
    'OIDC_SCOPES_BY_VALUE: must be a JSON object of lists of scopes, such as {"admins": ["mintmark:*"]}',
  ],
  'claims that are no record': [
    { ...OIDC, OIDC_SCOPES_BY_VALUE: '[]' },
    'OIDC_SCOPES_BY_VALUE: must be a JSON object of lists of scopes, such as {"admins": ["mintmark:*"]}',
  ],
  'a claim that stands for no scopes': [
    { ...OIDC, OIDC_SCOPES_BY_VALUE: '{"admins":["a b"]}' },
    'OIDC_SCOPES_BY_VALUE: must be scopes of Mintmark',
  ],
};

describe('a deployment is told of', () => {
  test.for(Object.entries(SETTINGS))('%s', ([, [variables, words]]) => {
    const read = 'OIDC_ISSUER' in variables ? readOidcSettings(variables) : readConfig(variables);
    const faults = 'faults' in read ? read.faults : [];
    expect(faults.map(({ path, message }) => `${path}: ${message}`)).toContain(words);
  });
});
