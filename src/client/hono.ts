import type { Context, Env, MiddlewareHandler } from 'hono';

import { checkDemands, type Demands } from './demands.ts';
import { checkEndpoint, type Endpoint } from './http.ts';
import type { Refusal } from './refusal.ts';
import type { UntypedBinding, VerdictSource } from './source.ts';
import type { ValidVerdict } from './verdict.ts';
import { outcomeOf, type VerifyRequestOptions } from './verify_request.ts';

export type { Carrier } from './carriers.ts';
export type { Refusal, RefusalCode } from './refusal.ts';
export type { UntypedBinding, VerdictSource } from './source.ts';
export type { ValidVerdict } from './verdict.ts';

declare module 'hono' {
  interface ContextVariableMap {
    /** The verdict that let the request through, where {@link mintmark} did. */
    mintmark: ValidVerdict;
  }
}

/** The environment of a handler that says nothing of it: hono's own default, which anything may be read from. */
type AnyEnv = Context['env'];

/** A value, or what makes it of each request. */
type Of<E extends Env, Value> = Value | ((c: Context<E>) => Value | Promise<Value>);

/** Demands of every request, or of each its own. */
type RequestDemands<E extends Env> = Omit<Demands, 'scopes' | 'organization' | 'ip'> & {
  /** Scopes that the key must have, all of them. Absent: any valid key will do. */
  readonly scopes?: Of<E, readonly string[]>;
  /**
   * The id, `org_…`, of the organization that the key must be of. Absent: that of the binding or of the credential; by a
   * binding for every organization nothing passes without it. Null: no organization, and so no key.
   */
  readonly organization?:
    | string
    | null
    | ((c: Context<E>) => string | null | undefined | Promise<string | null | undefined>);
  /** The client's address. Absent: in a Worker `CF-Connecting-IP`, elsewhere none. */
  readonly ip?: (c: Context<E>) => string | null | undefined;
};

type RequestSource<E extends Env> =
  | {
      /** A binding to Mintmark's entrypoint `Verifier`. */
      readonly service: (c: Context<E>) => VerdictSource | UntypedBinding | null | undefined;
      readonly url?: never;
    }
  | (Omit<Endpoint, 'credential'> & {
      /** A key that may verify: `mintmark:keys:verify`. */
      readonly credential: Of<E, string>;
      readonly service?: never;
    });

export type MintmarkOptions<E extends Env = AnyEnv> = RequestSource<E> &
  RequestDemands<E> & {
    /**
     * Told of each refusal, to log it, or to answer in a way of your own. It replaces what is done without it: those for want of
     * a verdict go to `console.error`.
     */
    readonly onRefusal?: (refusal: Refusal, c: Context<E>) => Response | void | Promise<Response | void>;
  };

/**
 * Lets a request through, with its verdict in `c.var.mintmark`, if Mintmark finds its API key valid, and answers every
 * other as `verifyRequest` has it: 400, 401, 403 or 429, and 503 where there is no verdict.
 *
 * Each request is one call, and nothing is remembered: each second of that would be one more in which a revoked key passes.
 * Throws a TypeError at once for options that are written wrong.
 */
export function mintmark<E extends Env = AnyEnv>(options: MintmarkOptions<E>): MiddlewareHandler {
  const own = given(options);
  check(own);
  const { from, realm, timeoutMs, onRefusal = report } = options;
  const fixed = { ...(from && { from }), ...(realm && { realm }), ...(timeoutMs && { timeoutMs }) };
  return async function verified(c, next) {
    const outcome = await outcomeOf(c.req.raw, fixed, () => optionsFor(c, own));
    if (!outcome.ok) {
      const answer: unknown = await onRefusal(outcome.refusal, c);
      return answer instanceof Response ? answer : outcome.response;
    }
    c.set('mintmark', outcome.verdict);
    await next();
  };
}

/** Options that may be made of each request, and those that are as they are. */
const MADE: readonly Option[] = ['service', 'credential', 'scopes', 'organization', 'ip'];
const FIXED: readonly Option[] = [
  'url',
  'fetch',
  'environment',
  'maxStaleness',
  'from',
  'realm',
  'timeoutMs',
  'onRefusal',
];
const OPTIONS: readonly string[] = [...MADE, ...FIXED];

type Option = AllKeys<MintmarkOptions>;
type AllKeys<Union> = Union extends unknown ? keyof Union : never;

/** The options as they are now, wherever they were defined: none that demands something may get lost. */
function given(options: object): Readonly<Record<string, unknown>> {
  const unknown = Object.keys(options).find((name) => !OPTIONS.includes(name));
  if (unknown !== undefined) throw new TypeError(`mintmark has no option ${unknown}`);
  const names = OPTIONS.filter((name) => name in options);
  return Object.fromEntries(names.map((name) => [name, Reflect.get(options, name)]));
}

const isMade = (name: string, option: unknown): option is (c: Context) => unknown =>
  typeof option === 'function' && MADE.some((made) => made === name);

function check(options: Readonly<Record<string, unknown>>): void {
  checkDemands(Object.fromEntries(Object.entries(options).filter(([name, option]) => !isMade(name, option))));
  if (isMade('service', options['service'])) return;
  if (options['url'] === undefined)
    throw new TypeError('mintmark: service must be a function that returns the binding, or url an address');
  const { url, credential } = options;
  // One that is made for each request can't be looked at yet.
  checkEndpoint(url, isMade('credential', credential) ? 'later' : credential);
}

/** The options as they are for one request; {@link outcomeOf} judges what has been made. */
async function optionsFor(
  c: Context,
  options: Readonly<Record<string, unknown>>,
): Promise<VerifyRequestOptions> {
  const entries = Object.entries(options).map(async ([name, option]: [string, unknown]) => {
    if (!isMade(name, option)) return [name, option];
    const made = await option(c);
    // That there is no such tenant is no slip.
    return [name, name === 'organization' ? (made ?? null) : made];
  });
  return Object.fromEntries(await Promise.all(entries));
}

function report({ code, reason }: Refusal): void {
  if (code === 'unavailable')
    console.error(JSON.stringify({ level: 'error', event: 'mintmark_unavailable', reason }));
}
