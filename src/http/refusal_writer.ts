import { describe, type Description, type HttpRefusal } from '../contract/describe.ts';
import { problemResource } from '../contract/resources.ts';
import type { Refusal } from '../core/refusal.ts';

/** A refusal as it goes over the wire, but for the headers that HTTP itself asks for. */
export interface WrittenRefusal extends Pick<Description, 'status'> {
  readonly mediaType: string;
  readonly body: object;
}

/** How refusals are written below some path. */
export type RefusalWriter = (refusal: Refusal | HttpRefusal, requestId: string) => WrittenRefusal;

/** The contract's own way. */
export const contractWriter: RefusalWriter = (refusal, requestId) => {
  const description = describe(refusal);
  return {
    status: description.status,
    mediaType: 'application/problem+json',
    body: problemResource(description, requestId),
  };
};
