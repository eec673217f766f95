import { expect } from 'vitest';

import type { Application } from './application.ts';
import type { Minted } from './mintmark.ts';

export const DEFAULT_ORGANIZATION = 'org_000000000000000000000000';

/** Headers by which a client would be somebody. */
export const SPOOFED = {
  'Mintmark-Key-Id': 'key_spoofed',
  'mintmark-organization': ['org_spoofed', 'org_spoofed_too'],
  'MINTMARK-SUBJECT': 'spoofed',
  'Mintmark-Scopes': '*',
  Mintmark_Key_Id: 'key_spoofed',
  MINTMARK_SUBJECT: 'spoofed',
  mintmark_scopes: '*',
};

/** What the application was told of who it is, by the one visit that there was. */
export function identityTold({ visits }: Application): Record<string, string> {
  expect(visits).toHaveLength(1);
  const headers = [...(visits[0]?.headers ?? [])];
  return Object.fromEntries(headers.filter(([name]) => name.startsWith('MINTMARK')));
}

/** What it is to be told of a key with one scope. */
export const identityOf = ({ id, accountId }: Minted) => ({
  MINTMARK_KEY_ID: id,
  MINTMARK_ORGANIZATION: DEFAULT_ORGANIZATION,
  MINTMARK_SUBJECT: accountId,
  MINTMARK_SCOPES: 'files:read',
});
