import addFormats from 'ajv-formats';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect } from 'vitest';

import { createDocument, type Described, type OpenApiDocument } from '../../src/openapi/document.ts';
import { VERSION } from '../../src/version.ts';
import type { Answer } from '../support/service.ts';

export const DOCUMENT: OpenApiDocument = JSON.parse(JSON.stringify(createDocument(VERSION)));

const ajv = new Ajv2020({ strict: false, allErrors: true });
addFormats.default(ajv);
ajv.addSchema(DOCUMENT, 'openapi');

const pointer = (...path: readonly string[]): string =>
  path.map((part) => part.replaceAll('~', '~0').replaceAll('/', '~1')).join('/');

/** What breaks the document's schema at this place; nothing where all is well. */
export function faultsAt(value: unknown, ...path: readonly string[]): unknown[] {
  const validate = ajv.getSchema(`openapi#/${pointer(...path)}`);
  if (validate === undefined) throw new Error(`the document has no schema at ${path.join(' ')}`);
  return validate(value) === true
    ? []
    : (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}

/** Follows a reference, and tells where in the document its end stands. */
export function resolve(described: Described, path: readonly string[]): [Described, readonly string[]] {
  if (described.$ref === undefined) return [described, path];
  const target = described.$ref.replace('#/', '').split('/');
  let found: unknown = DOCUMENT;
  for (const part of target) found = Reflect.get(Object(found), part);
  return [found as Described, target];
}

/** The path of the document that a called path is of. */
function templateOf(path: string): string | undefined {
  const [pathname = ''] = path.split('?', 1);
  const matches = Object.keys(DOCUMENT.paths).filter((template) =>
    new RegExp(`^${template.replaceAll('.', String.raw`\.`).replaceAll('{id}', '[^/]+')}$`).test(pathname),
  );
  return matches.find((template) => !template.includes('{')) ?? matches[0];
}

/** Holds an answer to what the document says of its operation and status: headers, media type and schema. */
export function conforms(answer: Answer, method: string, path: string): void {
  const title = `${method} ${path} ${answer.status} ${answer.text}`;
  const template = templateOf(path);
  const operation = template === undefined ? undefined : DOCUMENT.paths[template]?.[method.toLowerCase()];
  if (template === undefined || operation === undefined) {
    expect([404, 405], title).toContain(answer.status);
    expect(faultsAt(answer.body, 'components', 'schemas', 'Problem'), title).toEqual([]);
    expect(answer.headers.has('Allow'), title).toBe(answer.status === 405);
    return;
  }
  const written = operation.responses[answer.status];
  if (written === undefined) throw new Error(`the document does not have ${title}`);
  const [response, place] = resolve(written, [
    'paths',
    template,
    method.toLowerCase(),
    'responses',
    String(answer.status),
  ]);

  for (const [name, header] of Object.entries(response.headers ?? {})) {
    const [{ required = false }, at] = resolve(header, [...place, 'headers', name]);
    const value = answer.headers.get(name);
    if (value === null) expect(required, `${title}: ${name} is missing`).toBe(false);
    else expect(faultsAt(value, ...at, 'schema'), `${title}: ${name}`).toEqual([]);
  }
  for (const name of ['Mintmark-Effective-By', 'WWW-Authenticate', 'Retry-After', 'Allow']) {
    if (answer.headers.has(name)) expect(Object.keys(response.headers ?? {}), title).toContain(name);
  }

  const [mediaType = ''] = (answer.headers.get('Content-Type') ?? '').split(';', 1);
  if (response.content === undefined) {
    expect([mediaType, answer.text], title).toEqual(['', '']);
    return;
  }
  expect(Object.keys(response.content), title).toContain(mediaType);
  expect(faultsAt(answer.body ?? answer.text, ...place, 'content', mediaType, 'schema'), title).toEqual([]);
}
