import * as z from 'zod/mini';

z.config({ customError: messageOf });

/**
 * Says the rule that a field breaks, in the same words for every field. What it leaves to zod is told as `Invalid input`:
 * zod/mini has no other words of its own.
 */
function messageOf(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code === 'invalid_type') {
    if (issue.input === undefined) return 'is required';
    if (Array.isArray(issue.input) && issue.expected === 'string') return 'must be a single string';
    return `must be ${EXPECTED[issue.expected] ?? issue.expected}`;
  }
  if (issue.code === 'invalid_value') return `must be ${issue.values.map(String).join(' or ')}`;
  if (issue.code === 'too_small') return `must be at least ${issue.minimum}`;
  if (issue.code === 'too_big') return `must be at most ${issue.maximum}`;
  if (issue.code === 'unrecognized_keys') {
    const keys = issue.keys.map((key) => `"${key}"`).join(', ');
    return `Unrecognized key${issue.keys.length > 1 ? 's' : ''}: ${keys}`;
  }
  if (issue.code === 'invalid_format') {
    return issue.format === 'regex'
      ? `Invalid string: must match pattern ${issue.pattern}`
      : `Invalid ${FORMATS[issue.format] ?? issue.format}`;
  }
  return undefined;
}

const EXPECTED: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a JSON object',
};

/** What the formats are called that have no error of their own. */
const FORMATS: Readonly<Record<string, string>> = {
  date: 'ISO date',
  datetime: 'ISO datetime',
  ipv4: 'IPv4 address',
  ipv6: 'IPv6 address',
  template_literal: 'input',
};
