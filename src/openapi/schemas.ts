import * as z from 'zod/mini';

import {
  apiKey,
  gracePeriod,
  keyPatch,
  mintedKey,
  newAccountKey,
  newKey,
  reason,
  revocation,
  revokedKey,
  rotatedKey,
  rotation,
  search,
} from '../contract/api_keys.ts';
import { auditEvent, change, id as auditedId } from '../contract/audit_events.ts';
import {
  answeredMetadata,
  description as descriptionField,
  duration,
  grantableScope,
  ip,
  limit,
  metadata,
  name as nameField,
  serviceAccountId,
  timestamp,
} from '../contract/fields.ts';
import { newOrganization, organization, organizationPatch } from '../contract/organizations.ts';
import { problem } from '../contract/problem.ts';
import { newServiceAccount, serviceAccount, serviceAccountPatch } from '../contract/service_accounts.ts';
import { verdict, verifyRequest, whoami } from '../contract/verdict.ts';
import {
  DEFAULT_PAGE_SIZE,
  MAX_DESCRIPTION_LENGTH,
  MAX_IP_LENGTH,
  MAX_NAME_LENGTH,
  MAX_PAGE_SIZE,
  MAX_REASON_LENGTH,
  MAX_SCOPE_LENGTH,
  MAX_SEARCH_BYTES,
  MAX_USER_ID_LENGTH,
} from '../core/constants.ts';
import { SERVICE_ACCOUNT_ID_PATTERN } from '../core/id.ts';
import { SCOPE_PATTERN } from '../core/scope.ts';
import { FIELD_DESCRIPTIONS } from './descriptions.ts';

/** A JSON Schema of the dialect that OpenAPI 3.1 uses: draft 2020-12. */
export type JsonSchema = z.core.JSONSchema.BaseSchema;

const pageOf = <Item extends z.ZodMiniType>(item: Item) =>
  z.strictObject({ data: z.array(item), nextCursor: z.nullable(z.string()) });

const health = z.strictObject({ status: z.literal('ok'), version: z.string() });

const dependency = z.enum(['ok', 'failing']);
const readiness = z.strictObject({
  status: z.enum(['ok', 'unavailable']),
  version: z.string(),
  rootKey: z.enum(['ok', 'missing', 'unusable']),
  database: z.exactOptional(dependency),
  cache: z.exactOptional(dependency),
});

const wellKnown = z.strictObject({
  name: z.literal('mintmark'),
  version: z.string(),
  key: z.strictObject({ version: z.int(), pattern: z.string() }),
});

/** Bodies that are sent. */
export const REQUESTS = {
  NewOrganization: newOrganization,
  OrganizationPatch: organizationPatch,
  NewServiceAccount: newServiceAccount,
  ServiceAccountPatch: serviceAccountPatch,
  NewAccountKey: newAccountKey,
  NewKey: newKey,
  KeyPatch: keyPatch,
  Revocation: revocation,
  Rotation: rotation,
  VerifyRequest: verifyRequest,
} as const;
export type RequestName = keyof typeof REQUESTS;

/** Bodies that are answered. */
export const ANSWERS = {
  Organization: organization,
  OrganizationPage: pageOf(organization),
  ServiceAccount: serviceAccount,
  ServiceAccountPage: pageOf(serviceAccount),
  ApiKey: apiKey,
  ApiKeyPage: pageOf(apiKey),
  MintedKey: mintedKey,
  RevokedKey: revokedKey,
  RotatedKey: rotatedKey,
  AuditEvent: auditEvent,
  AuditEventPage: pageOf(auditEvent),
  Verdict: verdict,
  Whoami: whoami,
  Health: health,
  Readiness: readiness,
  WellKnown: wellKnown,
  Problem: problem,
} as const;
export type AnswerName = keyof typeof ANSWERS;
export type Answered<Name extends AnswerName> = z.output<(typeof ANSWERS)[Name]>;

const jsonObject: JsonSchema = { type: 'object', additionalProperties: true };

const textOf = (minLength: number, maxLength: number): JsonSchema => ({
  type: 'string',
  minLength,
  maxLength,
});

/** What JSON Schema can't learn from zod's checks and transforms, nor from a name: each says here what it is on the wire. */
const ON_THE_WIRE = new Map<z.core.$ZodType, JsonSchema>([
  [nameField, textOf(1, MAX_NAME_LENGTH)],
  [descriptionField.def.innerType, textOf(0, MAX_DESCRIPTION_LENGTH)],
  [reason, textOf(0, MAX_REASON_LENGTH)],
  [search, textOf(1, MAX_SEARCH_BYTES)],
  [auditedId, textOf(1, MAX_USER_ID_LENGTH)],
  [metadata, jsonObject],
  [answeredMetadata, jsonObject],
  [serviceAccountId, { type: 'string', pattern: SERVICE_ACCOUNT_ID_PATTERN.source }],
  [
    ip,
    {
      type: 'string',
      maxLength: MAX_IP_LENGTH,
      anyOf: [
        { type: 'string', format: 'ipv4' },
        { type: 'string', format: 'ipv6' },
      ],
    },
  ],
  [duration, { type: 'string', pattern: '^[1-9][0-9]*[smhdw]$' }],
  [gracePeriod, { type: 'string', pattern: '^(?:0s|[1-9][0-9]*[smhdw])$', default: '24h' }],
  [
    grantableScope,
    { type: 'string', minLength: 1, maxLength: MAX_SCOPE_LENGTH, pattern: SCOPE_PATTERN.source },
  ],
  [
    timestamp,
    { type: 'string', format: 'date-time', pattern: String.raw`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$` },
  ],
  [problem.shape.status, { type: 'integer', description: 'The HTTP status.' }],
  [change.shape.from, { description: 'The value before.' }],
  [change.shape.to, { description: 'The value after.' }],
  // A query carries text; OpenAPI describes the value that the text writes.
  [limit, { type: 'integer', minimum: 1, maximum: MAX_PAGE_SIZE, default: DEFAULT_PAGE_SIZE }],
]);

const NOT_BOTH_EXPIRIES: JsonSchema = {
  not: { properties: { expiresAt: {}, expiresIn: {} }, required: ['expiresAt', 'expiresIn'] },
};

/** Exactly one of two fields: two objects, so that a typed client can tell which. */
function eitherOf(schema: JsonSchema, one: string, other: string): JsonSchema {
  const { properties = {}, required = [], ...rest } = schema;
  const having = (field: string, without: string): JsonSchema => ({
    ...rest,
    title: `With ${field}`,
    properties: Object.fromEntries(Object.entries(properties).filter(([name]) => name !== without)),
    required: [...required, field],
  });
  return { oneOf: [having(one, other), having(other, one)] };
}

/** Rules over several fields. */
const ACROSS_FIELDS = new Map<z.core.$ZodType, (schema: JsonSchema) => JsonSchema>([
  [newAccountKey, (schema) => ({ ...schema, ...NOT_BOTH_EXPIRIES })],
  [rotation, (schema) => ({ ...schema, ...NOT_BOTH_EXPIRIES })],
  [newKey, (schema) => eitherOf({ ...schema, ...NOT_BOTH_EXPIRIES }, 'serviceAccountId', 'userId')],
]);

/** Formats whose patterns say nothing more, and at length. */
const SPEAKING_FORMATS = new Set(['date-time', 'ipv4', 'ipv6']);

function replace(schema: JsonSchema, by: JsonSchema): void {
  for (const keyword of Object.keys(schema)) Reflect.deleteProperty(schema, keyword);
  Object.assign(schema, by);
}

function override({ zodSchema, jsonSchema }: { zodSchema: z.core.$ZodType; jsonSchema: JsonSchema }): void {
  const wire = ON_THE_WIRE.get(zodSchema);
  if (wire !== undefined) replace(jsonSchema, wire);
  else if (jsonSchema.format !== undefined && SPEAKING_FORMATS.has(jsonSchema.format)) {
    delete jsonSchema.pattern;
  }
  // Of an integer without bounds zod names the largest that JavaScript counts with.
  if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
  if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
  const across = ACROSS_FIELDS.get(zodSchema);
  if (across !== undefined) replace(jsonSchema, across({ ...jsonSchema }));
}

/** A copy in which each field says what it means: fields of one type share their schema until here. */
function described(schema: JsonSchema): JsonSchema {
  return JSON.parse(JSON.stringify(schema), (_, value: unknown) => {
    if (!hasProperties(value)) return value;
    for (const [field, property] of Object.entries(value.properties)) {
      const description = FIELD_DESCRIPTIONS[field];
      if (description !== undefined) property.description ??= description;
    }
    return value;
  });
}

const hasProperties = (value: unknown): value is { properties: Record<string, JsonSchema> } =>
  typeof value === 'object' && value !== null && 'properties' in value;

function convert(schemas: Readonly<Record<string, z.ZodMiniType>>, io: 'input' | 'output') {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(schemas)) registry.add(schema, { id });
  const { schemas: converted } = z.toJSONSchema(registry, {
    io,
    override,
    unrepresentable: 'any',
    uri: (id) => `#/components/schemas/${id}`,
  });
  return Object.fromEntries(
    Object.keys(schemas).map((id) => {
      const { $schema: _, $id: __, ...schema } = converted[id] ?? {};
      return [id, described(schema)];
    }),
  );
}

/** `components.schemas`. */
export function componentSchemas(): Record<string, JsonSchema> {
  return { ...convert(REQUESTS, 'input'), ...convert(ANSWERS, 'output') };
}

/** The parameters of a query, each by its own schema. */
export function queryProperties(query: z.ZodMiniType): Record<string, JsonSchema> {
  const { properties = {} } = described(
    z.toJSONSchema(query, { io: 'input', override, unrepresentable: 'any' }),
  );
  return Object.fromEntries(
    Object.entries(properties).map(([name, schema]) => [name, typeof schema === 'object' ? schema : {}]),
  );
}
