import { MIN_KEY_LENGTH } from './constants.ts';
import { within } from './deadline.ts';
import { send, type Call, type Reply, type Target } from './http.ts';
import { isObject } from './is_object.ts';
import { isRefused, noSuchId, refusedBy, unanswered, unwritable } from './problem.ts';
import { reasonOf, withoutSecrets } from './reason.ts';
import type { Refused } from './services.ts';

/** To one Mintmark. */
export interface Connection {
  readonly target: Target;
  readonly timeoutMs: number;
  readonly organization?: string;
}

interface Sent {
  readonly body?: unknown;
  readonly query?: object;
  /** What reads may be sent again when the connection broke; of the rest, what says so here. */
  readonly isRepeatable?: boolean;
}

/** What a path may be made of; an id of anything else names nothing, and must not lead the call elsewhere. */
const SEGMENT = /^[\w-]+$/;

/** The value that a call of `/v1` answers, with when it takes effect where that is said; or why there is none. */
export async function call<Value>(
  { target, timeoutMs, organization }: Connection,
  method: Call['method'],
  segments: readonly string[],
  { body, query = {}, isRepeatable = method === 'GET' }: Sent = {},
): Promise<Value | Refused> {
  if (!segments.every((segment) => typeof segment === 'string' && SEGMENT.test(segment))) return noSuchId();
  const secrets = [target.credential, ...secretsIn(body)];
  let sent: Call;
  try {
    const path = `/v1/${segments.join('/')}${searchOf(query)}`;
    const written = body === undefined ? {} : { body: JSON.stringify(body) };
    sent = {
      method,
      path,
      isRepeatable,
      ...written,
      ...(organization === undefined ? {} : { organization }),
    };
  } catch (error) {
    return discreet(unwritable(reasonOf(error)), secrets);
  }
  let reply: Reply;
  try {
    reply = await within(timeoutMs, (signal) => send(target, sent, signal));
  } catch (error) {
    return discreet(unanswered(reasonOf(error), isRepeatable), secrets);
  }
  const answer = answerIn(reply, isRepeatable);
  // What Mintmark answers with success is taken to be what its contract says.
  return isRefused(answer) ? discreet(answer, secrets) : (answer as Value);
}

/** A refusal may be logged, and what made it may have said what it was given. */
function discreet({ error }: Refused, secrets: readonly string[]): Refused {
  const { detail, errors } = error;
  const told = (text: string): string => withoutSecrets(text, secrets);
  const faults = errors?.map(({ path, message }) => ({ path: told(path), message: told(message) }));
  return { error: { ...error, detail: told(detail), ...(faults === undefined ? {} : { errors: faults }) } };
}

function answerIn(reply: Reply, isRepeatable: boolean): object {
  const { status, headers, body } = reply;
  if (status !== 200 && status !== 201 && status !== 204) return refusedBy(reply, isRepeatable);
  const answer = status === 204 ? {} : body;
  if (!isObject(answer)) return unanswered(`Mintmark answered ${status} without JSON.`, isRepeatable);
  const effectiveBy = headers.get('Mintmark-Effective-By');
  return effectiveBy === null ? answer : { ...answer, effectiveBy };
}

function searchOf(query: object): string {
  const asked = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, String(value)]],
  );
  return asked.length === 0 ? '' : `?${String(new URLSearchParams(asked))}`;
}

/** The key that a body asks about, unless it is too short to be one. */
const secretsIn = (body: unknown): string[] =>
  isObject(body) && typeof body['key'] === 'string' && body['key'].length >= MIN_KEY_LENGTH
    ? [body['key']]
    : [];
