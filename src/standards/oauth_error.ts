import type { Context } from 'hono';
import { createMiddleware } from 'hono/factory';

import type { HttpRefusal } from '../contract/describe.ts';
import { usually } from '../contract/told.ts';
import type { Refusal } from '../core/refusal.ts';
import type { AppEnv } from '../http/env.ts';
import { problem } from '../http/problem.ts';
import type { RefusalWriter } from '../http/refusal_writer.ts';

/** Every word that `error` can be: RFC 6749 §5.2, RFC 6750 §3.1, RFC 8707 §2, and what a 5xx is told by (RFC 6749 §4.1.2.1). */
type OAuthError =
  | 'invalid_request'
  | 'invalid_client'
  | 'insufficient_scope'
  | 'temporarily_unavailable'
  | 'server_error';

/** A refusal in OAuth's own JSON. */
export const oauthWriter: RefusalWriter = (refusal) => {
  const { status, message } = usually(refusal);
  const error = errorOf(refusal);
  const description = error === 'invalid_client' ? WHO : message;
  return { status, mediaType: 'application/json', body: errorBody(error, description) };
};

const WHO =
  'Send client_id and client_secret, a service account and a live key of it, by Basic or in the form, or a credential as at every other call.';

/** Below a path every refusal is OAuth's. */
export const speakingOAuth = createMiddleware<AppEnv>(async (c, next) => {
  c.set('writeRefusal', oauthWriter);
  return next();
});

export function errorBody(error: string, description: string): object {
  return { error, error_description: description.replaceAll(OUTSIDE, "'") };
}

/** What `error_description` may not hold: RFC 6749 §5.2. */
const OUTSIDE = /[^\x20\x21\x23-\x5b\x5d-\x7e]/g;

/** As {@link problem}, where the challenge is for how the client authenticated (RFC 6749 §5.2): Basic, unless it sent a token. */
export function refused(c: Context<AppEnv>, refusal: Refusal | HttpRefusal): Response {
  const answer = problem(c, refusal);
  const isBearer = /^bearer\b/i.test(c.req.header('Authorization') ?? '');
  if (answer.status === 401 && !isBearer) answer.headers.set('WWW-Authenticate', 'Basic realm="mintmark"');
  return answer;
}

function errorOf(refusal: Refusal | HttpRefusal): OAuthError {
  switch (refusal.kind) {
    case 'missing_credential':
    case 'invalid_credential':
      return 'invalid_client';
    case 'insufficient_scope':
    case 'cannot_grant':
    case 'root_required':
      return 'insufficient_scope';
    case 'multiple_credentials':
    case 'invalid':
    case 'invalid_json':
    case 'payload_too_large':
    case 'unsupported_media_type':
    case 'request_timeout':
    case 'no_such_path':
    case 'method_not_allowed':
    case 'not_found':
    case 'name_taken':
    case 'slug_taken':
    case 'default_organization':
    case 'account_disabled':
    case 'key_revoked':
    case 'key_expired':
    case 'key_disabled':
    case 'key_rotated':
    case 'quota_exceeded':
      return 'invalid_request';
    case 'rate_limited':
    case 'conflict':
    case 'unavailable':
    case 'outcome_unknown':
    case 'misconfigured':
      return 'temporarily_unavailable';
    case 'internal':
      return 'server_error';
  }
}
