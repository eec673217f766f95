import type { CredentialHeaders, Scheme } from '../contract/credential.ts';
import { isObject } from './is_object.ts';

/** Where a request's API key is read: by a scheme of `Authorization`, or in a header that is nothing else. */
export type Carrier = 'bearer' | 'basic' | { readonly header: string };

/** A header's name (RFC 9110 §5.1). */
const HEADER_NAME = /^[\w!#$%&'*+.^`|~-]+$/;

function isCarrier(value: unknown): value is Carrier {
  if (value === 'bearer' || value === 'basic') return true;
  return isObject(value) && typeof value['header'] === 'string' && HEADER_NAME.test(value['header']);
}

/** Whether it is one carrier, or several of which no two are one header. */
export function isCarriers(value: unknown): boolean {
  const carriers: unknown[] = [value].flat();
  if (carriers.length === 0 || !carriers.every(isCarrier)) return false;
  const schemes = carriers.filter((carrier) => typeof carrier === 'string');
  const named = carriers.flatMap((carrier) =>
    typeof carrier === 'string' ? [] : [carrier.header.toLowerCase()],
  );
  const headers = schemes.length === 0 ? named : ['authorization', ...named];
  return new Set(schemes).size === schemes.length && new Set(headers).size === headers.length;
}

/** The headers that a key may come in, and how. */
export function headersOf(carriers: readonly Carrier[]): CredentialHeaders {
  const schemes = carriers.filter((carrier) => typeof carrier === 'string');
  const headers: Record<string, readonly Scheme[]> = schemes.length === 0 ? {} : { Authorization: schemes };
  for (const carrier of carriers) if (typeof carrier === 'object') headers[carrier.header] = ['bare'];
  return headers;
}
