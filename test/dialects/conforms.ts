import addFormats from 'ajv-formats';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect } from 'vitest';

import { describe } from '../../src/contract/describe.ts';
import { conforms } from '../openapi/conforms.ts';
import type { Answer } from '../support/service.ts';
import b3os from './schemas/b3os.json';
import blaxel from './schemas/blaxel.json';
import factory from './schemas/factory.json';
import kosli from './schemas/kosli.json';

/** By path template, by method in lower case, by status. Null: an answer without a body. */
type Answers = Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, object | null>>>>>>;

/** What a file of `schemas/` says of a system's answers. */
interface Schemas {
  /** Where its calls are served. */
  readonly base: string;
  /** The successes of each call: every member, and no other. */
  readonly paths: Answers;
  /** Refusals, which any call may answer with. */
  readonly errors: Readonly<Record<string, object>>;
  /** The calls that the system has published a document of, with the document's schemas but for their annotations. */
  readonly document?: Answers;
}

export const SCHEMAS: Readonly<Record<string, Schemas>> = { blaxel, b3os, kosli, factory };

/**
 * What the documents do not have and every HTTP API answers with nevertheless. Kosli's security schemes imply 401, which its
 * document does not list, nor what any server may fail with, and 409 is what its client repeats when changes overtook one
 * another; neither document has 429, which keeps guesses and floods off the
 * database, and 503, by which a client knows that it may try again. That a path lacks a method, 405, is no answer of a call
 * that it has.
 */
const UNDOCUMENTED: Readonly<Record<string, readonly number[]>> = {
  kosli: [401, 409, 429, 500, 503],
  factory: [429, 503],
};

const ajv = new Ajv2020({ strict: false, allErrors: true });
addFormats.default(ajv);
for (const [name, schemas] of Object.entries(SCHEMAS)) ajv.addSchema(schemas, name);

const pointer = (place: readonly string[]): string =>
  place.map((part) => part.replaceAll('~', '~0').replaceAll('/', '~1')).join('/');

/** What of a value breaks the schema at this place of a system's file; nothing where all is well. */
function faultsAt(value: unknown, name: string, ...place: readonly string[]): unknown[] {
  const validate = ajv.getSchema(`${name}#/${pointer(place)}`);
  if (validate === undefined) throw new Error(`${name} has no schema at ${place.join(' ')}`);
  return validate(value) === true
    ? []
    : (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}

/** The call that is meant, as the file names it. */
interface Call {
  readonly name: string;
  readonly schemas: Schemas;
  readonly template: string | undefined;
  /** In upper case, of the path. */
  readonly methods: readonly string[];
}

/** Whose a path is, and which of its templates; null where it is no format's. */
export function callOf(path: string): Call | null {
  const [pathname = ''] = path.split(/[?#]/, 1);
  const [, compat, name = ''] = pathname.split('/');
  const schemas = compat === 'compat' && Object.hasOwn(SCHEMAS, name) ? SCHEMAS[name] : undefined;
  if (schemas === undefined) return null;
  const { base, paths } = schemas;
  const template = Object.keys(paths).find((each) =>
    new RegExp(`^${base}${each.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(pathname),
  );
  const methods = template === undefined ? [] : Object.keys(paths[template] ?? {});
  return { name, schemas, template, methods: methods.map((method) => method.toUpperCase()) };
}

/**
 * Holds an answer below `/compat/` to what its system's clients rely on: status, headers, and every member of the body. What
 * is no format's path is the contract's own.
 */
export function conformsToFormat(answer: Answer, method: string, path: string): void {
  const call = callOf(path);
  if (call === null) return conforms(answer, method, path);
  const { name, schemas, template = '', methods } = call;
  const title = `${method} ${path} ${answer.status} ${answer.text}`;
  const status = String(answer.status);
  const operation = methods.includes(method) ? [template, method.toLowerCase()] : null;
  const [at = '', verb = ''] = operation ?? [];

  holdHeaders(answer, title, methods, operation === null ? [] : [at, method]);
  const success = schemas.paths[at]?.[verb]?.[status];
  if (success === null) {
    expect([answer.headers.get('Content-Type'), answer.text], title).toEqual([null, '']);
    return;
  }
  expect(answer.headers.get('Content-Type'), title).toBe('application/json');
  if (success === undefined && schemas.errors[status] === undefined)
    throw new Error(`${name} has no ${title}`);
  const place = success === undefined ? ['errors', status] : ['paths', at, verb, status];
  expect(faultsAt(answer.body, name, ...place), title).toEqual([]);

  const documented = schemas.document?.[at]?.[verb];
  if (documented === undefined) return;
  if (documented[status] === undefined) expect(UNDOCUMENTED[name], title).toContain(answer.status);
  else expect(faultsAt(answer.body, name, 'document', at, verb, status), title).toEqual([]);
}

/** The contract's refusals that pass, and so say when to try again, by what they say. */
const PASSING = (['unavailable', 'outcome_unknown'] as const).map((kind) => describe({ kind }).detail);

const REQUEST_ID = /^[A-Za-z0-9_-]{8,64}$/;
const SECONDS = /^[1-9][0-9]*$/;
const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/;

/** What HTTP and the contract ask of every answer. `call`: the template and the method, of a call that there is. */
function holdHeaders(
  { status, headers, text, body }: Answer,
  title: string,
  methods: readonly string[],
  [template, method]: readonly string[],
): void {
  const has = (name: string, value: RegExp) =>
    expect(headers.get(name) ?? '', `${title}: ${name}`).toMatch(value);
  const lacks = (name: string) => expect(headers.get(name), `${title}: ${name}`).toBeNull();

  has('X-Request-Id', REQUEST_ID);
  if (body?.requestId !== undefined) expect(body.requestId, title).toBe(headers.get('X-Request-Id'));
  expect(headers.get('Cache-Control'), title).toBe('no-store');

  // RFC 9110 §11.6.1 asks for a challenge with 401; RFC 6750 §3.1 has one with 400 and 403 too.
  if (status === 401) has('WWW-Authenticate', /^Bearer /);
  else if (status !== 400 && status !== 403) lacks('WWW-Authenticate');

  if (status === 429 || (status === 503 && PASSING.some((detail) => text.includes(detail))))
    has('Retry-After', SECONDS);
  else lacks('Retry-After');

  if (status === 405) expect(headers.get('Allow')?.split(', ').toSorted(), title).toEqual(methods.toSorted());
  else lacks('Allow');
  // A call that is there has the method, and what is not there has no success.
  if (status === 405) expect(template, title).toBeUndefined();
  if (template === undefined) expect(status, title).toBeGreaterThanOrEqual(400);

  const takesAway = method === 'DELETE' || /\/(?:revoke|rotate)$/.test(template ?? '');
  const mayTakeAway = takesAway || method === 'PUT' || method === 'PATCH';
  if (status < 300 && takesAway) has('Mintmark-Effective-By', TIME);
  else if (status >= 300 || !mayTakeAway) lacks('Mintmark-Effective-By');
}
