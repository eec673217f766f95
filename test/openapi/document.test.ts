import { describe, expect, it } from 'vitest';

import { keyQuery } from '../../src/contract/api_keys.ts';
import { auditEventQuery } from '../../src/contract/audit_events.ts';
import { PROBLEM_CODES } from '../../src/contract/problem.ts';
import { holdsSecret } from '../../src/core/secret.ts';
import { FIELD_DESCRIPTIONS } from '../../src/openapi/descriptions.ts';
import { REQUEST_EXAMPLES } from '../../src/openapi/examples.ts';
import { OPERATIONS } from '../../src/openapi/operations.ts';
import { queryProperties, REQUESTS } from '../../src/openapi/schemas.ts';
import { routesOf } from '../http/endpoints.ts';
import { TestService } from '../support/service.ts';
import { DOCUMENT, faultsAt, resolve } from './conforms.ts';

const everyOperation = Object.entries(DOCUMENT.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
);

describe('the document', () => {
  it('has exactly the routes of the app', async () => {
    const written = everyOperation.map(
      ({ path, method }) => `${method.toUpperCase()} ${path.replace('{id}', ':id')}`,
    );
    expect(written.toSorted()).toEqual(await routesOf(new TestService()));
  });

  it('has one operation for each row, each of its own name', () => {
    expect(everyOperation).toHaveLength(OPERATIONS.length);
    expect(new Set(OPERATIONS.map(({ operationId }) => operationId)).size).toBe(OPERATIONS.length);
  });

  it('names every problem code', () => {
    const schema = JSON.stringify(DOCUMENT.components.schemas['Problem']);
    for (const code of PROBLEM_CODES) expect(schema).toContain(`"${code}"`);
    // Of a path without the method, which is no operation.
    const reachable = JSON.stringify(DOCUMENT.components.responses) + JSON.stringify(DOCUMENT.paths);
    expect(PROBLEM_CODES.filter((code) => !reachable.includes(`"${code}"`))).toEqual(['method_not_allowed']);
  });

  it('leaves no schema without a rule, and shows no key', () => {
    const anything = Object.entries(DOCUMENT.components.schemas).flatMap(([name, { properties = {} }]) =>
      Object.entries(properties)
        .filter(([, schema]) => Object.keys(schema).every((keyword) => keyword === 'description'))
        .map(([field]) => `${name}.${field}`),
    );
    expect(anything).toEqual([]);
    expect(holdsSecret(JSON.stringify(DOCUMENT))).toBe(false);
  });

  it('gives each text the lengths that its schema takes', () => {
    const told = Object.entries({ ...REQUESTS, keyQuery, auditEventQuery }).flatMap(([name, schema]) =>
      Object.entries(queryProperties(schema)).flatMap(([field, described]) =>
        [described, ...(described.anyOf ?? [])].flatMap((text) =>
          typeof text === 'object' && text.anyOf === undefined && text.maxLength !== undefined
            ? [{ name, schema, field, min: text.minLength ?? 0, max: text.maxLength }]
            : [],
        ),
      ),
    );
    expect(told.map(({ name, field }) => `${name}.${field}`)).toContain('auditEventQuery.actorId');
    for (const { name, schema, field, min, max } of told) {
      const paths = (length: number) =>
        schema.safeParse({ [field]: 'a'.repeat(length) }).error?.issues.map(({ path }) => path.join('.')) ??
        [];
      expect(paths(max), `${name}.${field}`).not.toContain(field);
      expect(paths(max + 1), `${name}.${field}`).toContain(field);
      if (min > 0) expect(paths(min - 1), `${name}.${field}`).toContain(field);
    }
  });

  it('says of no field what is said of another’s name', () => {
    const words = Object.entries(FIELD_DESCRIPTIONS);
    for (const [name, { properties = {} }] of Object.entries(DOCUMENT.components.schemas)) {
      for (const [field, schema] of Object.entries(properties)) {
        const description = typeof schema === 'object' ? schema.description : undefined;
        const of = words.filter(([, said]) => said === description).map(([named]) => named);
        if (of.length > 0) expect(of, `${name}.${field}`).toContain(field);
      }
    }
    const { ApiKey, RevokedKey } = DOCUMENT.components.schemas;
    expect(ApiKey?.properties?.['createdAt']).not.toHaveProperty('description');
    expect(RevokedKey?.properties?.['effectiveBy']).toHaveProperty(
      'description',
      FIELD_DESCRIPTIONS['effectiveBy'],
    );
  });

  it.for(Object.keys(REQUEST_EXAMPLES) as (keyof typeof REQUESTS)[])(
    'the example of %s is one that the service accepts, for ever',
    (name) => {
      expect(REQUESTS[name].safeParse(REQUEST_EXAMPLES[name]).error).toBeUndefined();
      expect(JSON.stringify(REQUEST_EXAMPLES[name])).not.toMatch(/\d{4}-\d\d-\d\dT/);
    },
  );

  it.for(everyOperation.map((each) => [each.operation.operationId, each] as const))(
    'the examples of %s fit their schemas',
    ([, { path, method, operation }]) => {
      const place = ['paths', path, method];
      const bodies = Object.entries(operation.responses).map(([status, response]) =>
        resolve(response, [...place, 'responses', status]),
      );
      if (operation.requestBody !== undefined)
        bodies.push([operation.requestBody, [...place, 'requestBody']]);
      for (const [{ content = {} }, at] of bodies) {
        for (const [mediaType, { examples = {} }] of Object.entries(content)) {
          expect(Object.keys(examples), `${at.join(' ')} ${mediaType}`).not.toEqual([]);
          for (const { value } of Object.values(examples)) {
            expect(faultsAt(value, ...at, 'content', mediaType, 'schema')).toEqual([]);
          }
        }
      }
    },
  );

  it('the examples of headers and parameters fit their schemas', () => {
    for (const kind of ['headers', 'parameters']) {
      for (const [name, described] of Object.entries(DOCUMENT.components[kind] ?? {})) {
        const { example } = described as { example?: unknown };
        if (example !== undefined)
          expect(faultsAt(example, 'components', kind, name, 'schema'), name).toEqual([]);
      }
    }
  });
});
