import type { Context, Env, MiddlewareHandler } from 'hono';

import { timeoutOf } from './deadline.ts';
import { checkDemands, type Demands } from './demands.ts';
import { targetOf, type Endpoint } from './https.ts';
import type { Refusal } from './refusal.ts';
import type { VerdictSource } from './source.ts';
import type { ValidVerdict } from './verdict.ts';
import { outcomeOf, type VerifyRequestOptions } from './verify_request.ts';

export type { Carrier } from './demands.ts';
export type { Refusal, RefusalCode } from './refusal.ts';
export type { VerdictSource } from './source.ts';
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
  readonly organization?: Of<E, string | null>;
  /** The client's address. Absent: in a Worker `CF-Connecting-IP`, elsewhere none. */
  readonly ip?: (c: Context<E>) => string | null | undefined;
};

type RequestSource<E extends Env> =
  | {
      /** A binding to Mintmark's entrypoint `Verifier`. */
      readonly service: (c: Context<E>) => VerdictSource | null | undefined;
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
     * Told of each refusal, to log it, or to answer in a way of your own. Absent: those for want of a verdict go to
     * `console.error`.
     */
    readonly onRefusal?: (refusal: Refusal, c: Context<E>) => Response | void | Promise<Response | void>;
  };

/**
 * Lets a request through, with its verdict in `c.var.mintmark`, if Mintmark finds its API key valid, and answers every
 * other as {@link verifyRequest} has it: 401, 403 or 429, and 503 where there is no verdict.
 *
 * Each request is one call, and nothing is remembered: each second of that would be one more in which a revoked key passes.
 * Throws a TypeError at once for options that could never let anyone through.
 */
export function mintmark<E extends Env = AnyEnv>(options: MintmarkOptions<E>): MiddlewareHandler {
  check(options);
  const { onRefusal = report } = options;
  return async function verified(c, next) {
    const outcome = await outcomeOf(c.req.raw, options, () => optionsFor(c, options));
    if (!outcome.ok) return (await onRefusal(outcome.refusal, c)) ?? outcome.response;
    c.set('mintmark', outcome.verdict);
    await next();
  };
}

/** The options that may be made of each request. */
const MADE = new Set(['service', 'credential', 'scopes', 'organization', 'ip']);

function check<E extends Env>(options: MintmarkOptions<E>): void {
  const fixed = Object.entries(options).filter(
    ([name, value]) => !(MADE.has(name) && typeof value === 'function'),
  );
  checkDemands(Object.fromEntries(fixed));
  timeoutOf(options.timeoutMs);
  if (typeof options.service === 'function') return;
  const { url, credential } = options;
  if (url === undefined)
    throw new TypeError('service must be a function that returns the binding, or url an address');
  // One that is made for each request can't be looked at yet.
  targetOf({ url, credential: typeof credential === 'function' ? 'later' : credential });
}

/** The options as they are for one request; {@link outcomeOf} judges what has been made. */
async function optionsFor<E extends Env>(
  c: Context<E>,
  options: MintmarkOptions<E>,
): Promise<VerifyRequestOptions> {
  const entries = Object.entries(options).map(async ([name, option]: [string, unknown]) => [
    name,
    MADE.has(name) && typeof option === 'function' ? await option(c) : option,
  ]);
  return Object.fromEntries(await Promise.all(entries));
}

function report({ code, reason }: Refusal): void {
  if (code === 'unavailable')
    console.error(JSON.stringify({ level: 'error', event: 'mintmark_unavailable', reason }));
}
