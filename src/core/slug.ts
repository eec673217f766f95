import { MAX_SLUG_LENGTH } from './constants.ts';

const SUFFIX_LENGTH = 6;

export const SLUG_PATTERN = new RegExp(`^[a-z0-9-]{1,${MAX_SLUG_LENGTH}}$`);

/**
 * A slug for whoever gives none: what of the name can stand in one, and the end of the id in lower case, so that two
 * organizations of one name get different ones.
 */
export function slugOf(name: string, id: string): string {
  const readable = name
    .normalize('NFKD')
    .toLowerCase()
    .replaceAll(/\p{M}+/gu, '')
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, MAX_SLUG_LENGTH - SUFFIX_LENGTH - 1);
  return `${readable}-${id.slice(-SUFFIX_LENGTH).toLowerCase()}`.replaceAll(/-+/g, '-').replace(/^-/, '');
}
