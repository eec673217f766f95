import { MAX_SCOPE_LENGTH } from './constants.ts';

/** `segment(:segment)*`, where the whole last segment, or all of it, may be `*`. */
export type Scope = string;

export const MANAGEMENT_SCOPES = [
  'mintmark:accounts:read',
  'mintmark:accounts:write',
  'mintmark:keys:read',
  'mintmark:keys:write',
  'mintmark:keys:verify',
  'mintmark:audit:read',
] as const;
export type ManagementScope = (typeof MANAGEMENT_SCOPES)[number];

/** What the root key holds: every scope of the application and of Mintmark. */
export const EVERY_SCOPE: readonly Scope[] = ['*', 'mintmark:*'];

const RESERVED_WORD = 'mintmark';
const RESERVED_PREFIX = `${RESERVED_WORD}:`;

export const SCOPE_PATTERN = /^(?:\*|[A-Za-z0-9_.-]+(?::[A-Za-z0-9_.-]+)*(?::\*)?)$/;

/** Why text is no scope that a key or an account could hold, or null if it is one. */
export function scopeFault(text: string): string | null {
  if (text.length > MAX_SCOPE_LENGTH) return `a scope has at most ${MAX_SCOPE_LENGTH} characters`;
  if (!SCOPE_PATTERN.test(text)) {
    return 'a scope is segments of A-Z a-z 0-9 _ . - joined by ":", where the last may be "*"';
  }
  const [first = ''] = text.split(':', 1);
  if (first.toLowerCase() !== RESERVED_WORD) return null;
  return MANAGEMENT_SCOPES.some((known) => covers(text, known))
    ? null
    : `"${RESERVED_WORD}" is reserved: only mintmark:* and ${MANAGEMENT_SCOPES.join(', ')} exist`;
}

/** Whether a scope is one of Mintmark's own, which only who holds it can grant. */
export function isManagementScope(scope: Scope): boolean {
  return scope.startsWith(RESERVED_PREFIX);
}

/**
 * Whether `held` allows all that `asked` allows. `files:*` covers `files:read` and `files:read:all`, not `files`;
 * `*` covers all but `mintmark:…`.
 */
export function covers(held: Scope, asked: Scope): boolean {
  if (held === asked) return true;
  if (held === '*') return !isManagementScope(asked);
  return held.endsWith(':*') && asked.startsWith(held.slice(0, -1));
}

/** Those of `asked` that nothing in `held` covers. */
export function uncovered(held: readonly Scope[], asked: readonly Scope[]): Scope[] {
  return asked.filter((scope) => !held.some((holding) => covers(holding, scope)));
}

/** Whether `held` covers each of `asked`. */
export function coversAll(held: readonly Scope[], asked: readonly Scope[]): boolean {
  return uncovered(held, asked).length === 0;
}

/** What both lists allow: of each comparable pair the narrower, each once. */
export function intersect(left: readonly Scope[], right: readonly Scope[]): Scope[] {
  const common = new Set<Scope>();
  for (const one of left) {
    for (const other of right) {
      if (covers(other, one)) common.add(one);
      else if (covers(one, other)) common.add(other);
    }
  }
  return [...common];
}
