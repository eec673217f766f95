import type { Reply } from './http.ts';
import { isObject } from './is_object.ts';
import type { Refused } from './services.ts';
import type { Problem } from './wire.ts';

const isProblem = (value: unknown): value is Problem =>
  isObject(value) &&
  typeof value['code'] === 'string' &&
  typeof value['detail'] === 'string' &&
  (value['errors'] === undefined || isFaults(value['errors']));

const isFaults = (value: unknown): boolean =>
  Array.isArray(value) &&
  value.every(
    (fault) => isObject(fault) && typeof fault['path'] === 'string' && typeof fault['message'] === 'string',
  );

/** Whether a problem stands where a value was asked for. */
export function isRefused(answer: unknown): answer is Refused {
  return isObject(answer) && isProblem(answer['error']);
}

/** What another answer than a success says. */
export function refusedBy({ status, body }: Reply, isRepeatable: boolean): Refused {
  return isProblem(body)
    ? { error: body }
    : unanswered(`Mintmark answered ${status} without a problem.`, isRepeatable);
}

/** The client's own word where Mintmark said none: of what can't be repeated, it may have been done. */
export function unanswered(detail: string, isRepeatable: boolean): Refused {
  return isRepeatable
    ? own(503, 'unavailable', 'Not available', detail)
    : own(503, 'outcome_unknown', 'The outcome is not known', detail);
}

/** What can't be written as JSON was not sent. */
export function unwritable(detail: string): Refused {
  return own(400, 'invalid_request', 'The request is not valid', detail);
}

export function noSuchId(): Refused {
  return own(404, 'not_found', 'Not found', 'There is nothing of this id.');
}

function own(status: number, code: Problem['code'], title: string, detail: string): Refused {
  return { error: { type: `urn:mintmark:problem:${code}`, title, status, detail, code, requestId: '' } };
}
