import type { ProblemCode } from '../contract/problem.ts';
import { problemResource } from '../contract/resources.ts';
import { ANSWER_EXAMPLES, EXAMPLE_EFFECTIVE_BY, EXAMPLE_REQUEST_ID, REQUEST_EXAMPLES } from './examples.ts';
import { OPERATIONS, problemsOf, TAGS, type Operation, type Target } from './operations.ts';
import { describeCode } from './problems.ts';
import { componentSchemas, queryProperties, type AnswerName, type JsonSchema } from './schemas.ts';

/** A header, a response, a parameter or a reference to one: what a test reads of them. */
export interface Described {
  readonly $ref?: string;
  readonly description?: string;
  readonly required?: boolean;
  readonly schema?: JsonSchema;
  readonly headers?: Readonly<Record<string, Described>>;
  readonly content?: Readonly<Record<string, MediaType>>;
  readonly [field: string]: unknown;
}

export interface MediaType {
  readonly schema: JsonSchema;
  readonly examples?: Readonly<Record<string, { readonly value: unknown }>>;
}

export interface PathOperation {
  readonly operationId: string;
  readonly parameters: readonly Described[];
  readonly requestBody?: Described;
  readonly responses: Readonly<Record<string, Described>>;
  readonly [field: string]: unknown;
}

/** An OpenAPI 3.1 document. */
export interface OpenApiDocument {
  readonly openapi: '3.1.0';
  readonly paths: Readonly<Record<string, Readonly<Record<string, PathOperation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, JsonSchema>>;
    readonly responses: Readonly<Record<string, Described>>;
    readonly [kind: string]: Readonly<Record<string, unknown>>;
  };
  readonly [field: string]: unknown;
}

const ref = (kind: string, name: string) => ({ $ref: `#/components/${kind}/${name}` });

const HEADERS: Readonly<Record<string, Described>> = {
  'X-Request-Id': {
    description: "The call's id: the one sent as `X-Request-Id` if it can be kept, or a new one.",
    required: true,
    schema: { type: 'string', pattern: '^[A-Za-z0-9_-]{8,64}$' },
    example: EXAMPLE_REQUEST_ID,
  },
  'Cache-Control': {
    description: 'No answer may be stored.',
    required: true,
    schema: { type: 'string', const: 'no-store' },
  },
  'Mintmark-Effective-By': {
    description: 'From this time no edge accepts what the change took away.',
    schema: { type: 'string', format: 'date-time' },
    example: EXAMPLE_EFFECTIVE_BY,
  },
  'WWW-Authenticate': {
    description: 'The challenge of RFC 6750.',
    schema: { type: 'string' },
    example: 'Bearer realm="mintmark", error="invalid_token"',
  },
  'Retry-After': {
    description: 'After so many seconds it is worth another try.',
    schema: { type: 'string', pattern: '^[0-9]+$' },
    example: '5',
  },
};

const EVERY_ANSWER = {
  'X-Request-Id': ref('headers', 'X-Request-Id'),
  'Cache-Control': ref('headers', 'Cache-Control'),
};

const SECURITY_SCHEMES = {
  bearer: {
    type: 'http',
    scheme: 'bearer',
    description:
      'The root key, an API key or a token, as `Authorization: Bearer …`. Send exactly one credential.',
  },
  basic: {
    type: 'http',
    scheme: 'basic',
    description: 'The same as the user name; the password is not looked at.',
  },
  apiKey: {
    type: 'apiKey',
    in: 'header',
    name: 'X-API-Key',
    description: 'The same in a header of its own.',
  },
} as const;

const PARAMETERS = {
  organization: {
    name: 'Mintmark-Organization',
    in: 'header',
    required: false,
    description:
      'The id or slug of the organization that the root key acts in; `default` unless said. With another credential it can only be its own.',
    schema: { type: 'string' },
    example: 'acme',
  },
} as const;

const EXAMPLE_IDS: Readonly<Record<Target, string>> = {
  organization: ANSWER_EXAMPLES.Organization.id,
  'service account': ANSWER_EXAMPLES.ServiceAccount.id,
  'API key': ANSWER_EXAMPLES.ApiKey.id,
};

const REASONS: Readonly<Record<number, string>> = {
  200: 'Done',
  201: 'Made',
  204: 'Done; there is no more to say',
  400: 'The request is not valid',
  401: 'A valid credential is required',
  402: 'A limit is reached',
  403: 'The credential may not do this',
  404: 'There is no such thing in the organization, or no such organization',
  408: 'The body did not arrive in time',
  409: 'The present state stands in the way',
  413: 'The body is too large',
  415: 'The body is not declared as JSON',
  429: 'Too much was asked in vain from this address',
  500: 'Internal error',
  503: 'Not available',
};

const reasonOf = (status: number): string => REASONS[status] ?? String(status);

function json(name: AnswerName): Record<string, MediaType> {
  return {
    'application/json': {
      schema: ref('schemas', name),
      examples: { example: { value: ANSWER_EXAMPLES[name] } },
    },
  };
}

interface ProblemResponse {
  readonly status: number;
  readonly name: string;
  readonly response: Described;
}

/** The answer of one status to any of these codes; its name tells them. */
function problemResponse(status: number, codes: readonly ProblemCode[]): ProblemResponse {
  const described = codes.map(describeCode);
  const names = [...new Set(described.flatMap(({ headers = {} }) => Object.keys(headers)))];
  const headers = Object.fromEntries(
    names.map((name) => {
      const isAlwaysThere = described.every((each) => each.headers?.[name] !== undefined);
      return [name, isAlwaysThere ? { ...HEADERS[name], required: true } : ref('headers', name)];
    }),
  );
  return {
    status,
    name: codes
      .map((code) => code.replaceAll(/(?:^|_)([a-z])/g, (_, first: string) => first.toUpperCase()))
      .join('Or'),
    response: {
      description: `${reasonOf(status)}: ${codes.map((code) => `\`${code}\``).join(', ')}.`,
      headers: { ...EVERY_ANSWER, ...headers },
      content: {
        'application/problem+json': {
          schema: {
            type: 'object',
            allOf: [ref('schemas', 'Problem')],
            properties: { status: { const: status }, code: { enum: [...codes] } },
            required: ['status', 'code'],
          },
          examples: Object.fromEntries(
            codes.map((code) => [code, { value: problemResource(describeCode(code), EXAMPLE_REQUEST_ID) }]),
          ),
        },
      },
    },
  };
}

function problemResponses(operation: Operation): ProblemResponse[] {
  const codes = [...new Set(problemsOf(operation))];
  const statuses = [...new Set(codes.map((code) => describeCode(code).status))].toSorted((a, b) => a - b);
  return statuses.map((status) =>
    problemResponse(
      status,
      codes.filter((code) => describeCode(code).status === status),
    ),
  );
}

/** Answers that are no JSON of the contract's. */
const OTHER_ANSWERS = {
  document: {
    'application/json': {
      schema: { type: 'object', additionalProperties: true },
      examples: { example: { value: { openapi: '3.1.0' } } },
    },
  },
  page: {
    'text/html': { schema: { type: 'string' }, examples: { example: { value: '<!doctype html>' } } },
  },
} satisfies Record<string, Record<string, MediaType>>;

function contentOf({ answer, other }: Operation['success']): { content?: Record<string, MediaType> } {
  if (answer !== undefined) return { content: json(answer) };
  return other === undefined ? {} : { content: OTHER_ANSWERS[other] };
}

function successResponse({ success, effectiveBy }: Operation): Described {
  const told: Readonly<Record<string, Described>> =
    effectiveBy === undefined
      ? {}
      : {
          'Mintmark-Effective-By':
            effectiveBy === 'always'
              ? { ...HEADERS['Mintmark-Effective-By'], required: true }
              : ref('headers', 'Mintmark-Effective-By'),
        };
  return {
    description: `${reasonOf(success.status)}.`,
    headers: { ...EVERY_ANSWER, ...told },
    ...contentOf(success),
  };
}

/** A second meaning of a status beside problems: the media type tells them apart. */
function withAlso(operation: Operation, responses: Record<string, Described>): Record<string, Described> {
  const { also } = operation;
  if (also === undefined) return responses;
  const problem = problemResponses(operation).find(({ status }) => status === also.status)?.response;
  return {
    ...responses,
    [also.status]: {
      description: `${reasonOf(also.status)}.`,
      headers: { ...problem?.headers, 'Retry-After': ref('headers', 'Retry-After') },
      content: {
        'application/json': {
          schema: ref('schemas', also.answer),
          examples: { example: { value: { ...ANSWER_EXAMPLES.Readiness, status: 'unavailable' } } },
        },
        ...problem?.content,
      },
    },
  };
}

function parametersOf({ target, access, query }: Operation): Described[] {
  return [
    ...(target === undefined
      ? []
      : [
          {
            name: 'id',
            in: 'path',
            required: true,
            description: `The id of the ${target}.`,
            schema: { type: 'string' },
            example: EXAMPLE_IDS[target],
          } as const,
        ]),
    ...(access === 'public' ? [] : [ref('parameters', 'organization')]),
    ...Object.entries(query === undefined ? {} : queryProperties(query)).map(
      ([name, { description = '', ...schema }]) => ({
        name,
        in: 'query',
        required: false,
        description,
        schema,
      }),
    ),
  ];
}

function bodyOf({ body, isBodyOptional }: Operation): { requestBody?: Described } {
  if (body === undefined || body === 'none') return {};
  return {
    requestBody: {
      required: isBodyOptional !== true,
      content: {
        'application/json': {
          schema: ref('schemas', body),
          examples: { example: { value: REQUEST_EXAMPLES[body] } },
        },
      },
    },
  };
}

/** OpenAPI 3.1 lets every scheme name what is needed of a credential. */
function securityOf({ access, also }: Operation): Record<string, readonly string[]>[] {
  const needed = access.startsWith('mintmark:') ? [access] : [];
  const each = Object.keys(SECURITY_SCHEMES).map((scheme) => ({ [scheme]: needed }));
  if (access !== 'public') return each;
  return also === undefined ? [] : [{}, ...each];
}

function needOf({ access, description }: Operation): string {
  const need = {
    public: 'Needs no credential.',
    anyone: 'Any valid credential will do.',
    root: 'The root key alone may do this.',
  };
  const told =
    access === 'public' || access === 'anyone' || access === 'root'
      ? need[access]
      : `Needs the scope \`${access}\`.`;
  return [description, told].filter((part) => part !== undefined).join('\n\n');
}

function pathOperation(operation: Operation): PathOperation {
  const { operationId, tag, summary, success } = operation;
  return {
    operationId,
    tags: [tag],
    summary,
    description: needOf(operation),
    security: securityOf(operation),
    parameters: parametersOf(operation),
    ...bodyOf(operation),
    responses: withAlso(operation, {
      [success.status]: successResponse(operation),
      ...Object.fromEntries(
        problemResponses(operation).map(({ status, name }) => [status, ref('responses', name)]),
      ),
    }),
  };
}

const INTRODUCTION = `API keys for your applications: minted here, verified at the edge, revoked within a bound.

A call carries exactly one credential: the root key, a key minted here, or a token: one that was got for such a key, or one of
the issuer that the deployment trusts. It comes as \`Authorization: Bearer\`, as the user name of
\`Authorization: Basic\`, or as \`X-API-Key\`. Never in a query string.

What follows a standard of its own is not repeated here: OAuth 2.0 at \`/oauth/token\`, \`/oauth/introspect\` and \`/oauth/revoke\`, which
\`/.well-known/oauth-authorization-server\` (RFC 8414) describes, the keys at \`/.well-known/jwks.json\`, and for proxies
\`/v1/forward-auth/{organization}/{scopes}\`.

What is refused is answered with \`application/problem+json\` (RFC 9457) and a stable \`code\`. A path that is not here is 404
\`not_found\`; a method that a path does not have is 405 \`method_not_allowed\`, with \`Allow\`.`;

/** `/openapi.json`: everything in it comes from the operations' table and the schemas that also validate. */
export function createDocument(version: string): OpenApiDocument {
  const paths: Record<string, Record<string, PathOperation>> = {};
  const responses: Record<string, Described> = {};
  for (const operation of OPERATIONS) {
    paths[operation.path] = { ...paths[operation.path], [operation.method]: pathOperation(operation) };
    const also: number | undefined = 'also' in operation ? operation.also.status : undefined;
    for (const { status, name, response } of problemResponses(operation)) {
      if (status !== also) responses[name] = response;
    }
  }
  return {
    openapi: '3.1.0',
    // As in package.json, in the words of SPDX: no licence has been given.
    info: {
      title: 'Mintmark',
      version,
      description: INTRODUCTION,
      license: { name: 'Unlicensed', identifier: 'LicenseRef-UNLICENSED' },
    },
    servers: [{ url: '/' }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    paths,
    components: {
      schemas: componentSchemas(),
      responses,
      parameters: PARAMETERS,
      headers: HEADERS,
      securitySchemes: SECURITY_SCHEMES,
    },
  };
}
