import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, expectTypeOf, it } from 'vitest';
import type * as z from 'zod/mini';

import type { AuditEventListRequest, KeyListRequest, PageRequest } from '../../src/client/client.ts';
import type * as wire from '../../src/client/wire.ts';
import type { keyListRequest } from '../../src/contract/api_keys.ts';
import type { auditEventQuery } from '../../src/contract/audit_events.ts';
import type { organizationQuery } from '../../src/contract/organizations.ts';
import type { serviceAccountQuery } from '../../src/contract/service_accounts.ts';
import type { ServiceAccountId } from '../../src/core/id.ts';
import type { Metadata } from '../../src/core/records.ts';
import { ANSWERS, REQUESTS, type AnswerName, type RequestName } from '../../src/openapi/schemas.ts';
import { copyProject } from '../scripts/project_copy.ts';
import { run } from './package/commands.ts';

const SCRIPT = join('scripts', 'client_types.ts');
const WIRE = join('src', 'client', 'wire.ts');

const checkIn = (directory: string) => run(directory, process.execPath, [SCRIPT, '--check']);

describe('the types that the package carries', () => {
  it('are those of every body that is sent or answered', () => {
    const names = [...readFileSync(WIRE, 'utf8').matchAll(/^export type (\w+) =/gm)].map(
      ([, name = '']) => name,
    );
    expect(names.toSorted()).toEqual([...Object.keys(REQUESTS), ...Object.keys(ANSWERS)].toSorted());
  });

  it('are what the schemas say now', async () => {
    expect(await checkIn(process.cwd())).toEqual({ code: 0, output: '', errors: '' });
  });

  it('are missed as soon as the schemas say something else', { timeout: 60_000 }, async () => {
    const copy = copyProject();
    try {
      const schema = join(copy.directory, 'src', 'contract', 'problem.ts');
      const before = readFileSync(schema, 'utf8');
      const after = before.replace('requestId: z.string()', 'requestId: z.nullable(z.string())');
      expect(after).not.toBe(before);
      writeFileSync(schema, after);
      const { code, errors } = await checkIn(copy.directory);
      expect(code).toBe(1);
      expect(errors).toContain('Run npm run types');
      expect(readFileSync(join(copy.directory, WIRE), 'utf8'), 'a check writes nothing').toBe(
        readFileSync(WIRE, 'utf8'),
      );
    } finally {
      copy.remove();
    }
  });
});

/** A type as JSON and OpenAPI know it: an id is text, metadata is any JSON, and what is absent is not undefined. */
type Plain<Value> = Value extends string
  ? ServiceAccountId extends Value
    ? string
    : Value
  : Value extends readonly (infer Item)[]
    ? Plain<Item>[]
    : Value extends object
      ? [Metadata, Value] extends [Value, Metadata]
        ? Record<string, unknown>
        : { -readonly [Key in keyof Value]: Plain<Exclude<Value[Key], AbsentIn<Value, Key>>> }
      : Value;
type AbsentIn<Value, Key extends keyof Value> = object extends Pick<Value, Key> ? undefined : never;

/** What the schemas take and give. The compiler holds it against what the package says. */
type Sent<Name extends RequestName> = Plain<z.input<(typeof REQUESTS)[Name]>>;
type Told<Name extends AnswerName> = Plain<z.output<(typeof ANSWERS)[Name]>>;

describe('to the compiler', () => {
  it('what is sent is what the schemas take', () => {
    expectTypeOf<wire.NewOrganization>().toEqualTypeOf<Sent<'NewOrganization'>>();
    expectTypeOf<wire.OrganizationPatch>().toEqualTypeOf<Sent<'OrganizationPatch'>>();
    expectTypeOf<wire.NewServiceAccount>().toEqualTypeOf<Sent<'NewServiceAccount'>>();
    expectTypeOf<wire.ServiceAccountPatch>().toEqualTypeOf<Sent<'ServiceAccountPatch'>>();
    expectTypeOf<wire.NewAccountKey>().toEqualTypeOf<Sent<'NewAccountKey'>>();
    expectTypeOf<wire.KeyPatch>().toEqualTypeOf<Sent<'KeyPatch'>>();
    expectTypeOf<wire.Revocation>().toEqualTypeOf<Sent<'Revocation'>>();
    expectTypeOf<wire.Rotation>().toEqualTypeOf<Sent<'Rotation'>>();
    expectTypeOf<wire.VerifyRequest>().toEqualTypeOf<Sent<'VerifyRequest'>>();
  });

  it('a new key has exactly one owner', () => {
    type Owner = 'serviceAccountId' | 'userId';
    type Owned<By extends Owner> = Omit<Sent<'NewKey'>, Owner> & Record<By, string>;
    expectTypeOf<wire.NewKey>().toExtend<Sent<'NewKey'>>();
    expectTypeOf<Owned<'serviceAccountId'> | Owned<'userId'>>().toExtend<wire.NewKey>();
    expectTypeOf<Sent<'NewKey'>>().not.toExtend<wire.NewKey>();
  });

  it('what is answered is what the schemas give', () => {
    expectTypeOf<wire.Organization>().toEqualTypeOf<Told<'Organization'>>();
    expectTypeOf<wire.OrganizationPage>().toEqualTypeOf<Told<'OrganizationPage'>>();
    expectTypeOf<wire.ServiceAccount>().toEqualTypeOf<Told<'ServiceAccount'>>();
    expectTypeOf<wire.ServiceAccountPage>().toEqualTypeOf<Told<'ServiceAccountPage'>>();
    expectTypeOf<wire.ApiKey>().toEqualTypeOf<Told<'ApiKey'>>();
    expectTypeOf<wire.ApiKeyPage>().toEqualTypeOf<Told<'ApiKeyPage'>>();
    expectTypeOf<wire.MintedKey>().toEqualTypeOf<Told<'MintedKey'>>();
    expectTypeOf<wire.RevokedKey>().toEqualTypeOf<Told<'RevokedKey'>>();
    expectTypeOf<wire.RotatedKey>().toEqualTypeOf<Told<'RotatedKey'>>();
    expectTypeOf<wire.AuditEvent>().toEqualTypeOf<Told<'AuditEvent'>>();
    expectTypeOf<wire.AuditEventPage>().toEqualTypeOf<Told<'AuditEventPage'>>();
    expectTypeOf<wire.Verdict>().toEqualTypeOf<Told<'Verdict'>>();
    expectTypeOf<wire.Whoami>().toEqualTypeOf<Told<'Whoami'>>();
    expectTypeOf<wire.Health>().toEqualTypeOf<Told<'Health'>>();
    expectTypeOf<wire.Readiness>().toEqualTypeOf<Told<'Readiness'>>();
    expectTypeOf<wire.WellKnown>().toEqualTypeOf<Told<'WellKnown'>>();
    expectTypeOf<wire.Problem>().toEqualTypeOf<Told<'Problem'>>();
  });

  it('a list may be asked for what its schema takes', () => {
    /** A number is written in a query as text. */
    type Query<Schema extends z.ZodMiniType> = Plain<Omit<z.input<Schema>, 'limit'> & { limit?: number }>;
    expectTypeOf<Plain<KeyListRequest>>().toEqualTypeOf<Query<typeof keyListRequest>>();
    expectTypeOf<Plain<PageRequest>>().toEqualTypeOf<Query<typeof serviceAccountQuery>>();
    expectTypeOf<Plain<PageRequest>>().toEqualTypeOf<Query<typeof organizationQuery>>();
    expectTypeOf<Plain<AuditEventListRequest>>().toEqualTypeOf<Query<typeof auditEventQuery>>();
  });
});
