import * as z from 'zod/mini';

import { json, unset } from './settings.ts';

/** 32 bytes in base64url (RFC 7518 §6.2.1). */
const coordinate = z.string().check(z.regex(/^[A-Za-z0-9_-]{43}$/));

const publicMembers = { kty: z.literal('EC'), crv: z.literal('P-256'), x: coordinate, y: coordinate };

/** RFC 7518 §6.2: what ES256 verifies by. Other members are left out, `d` among them. */
const publicKey = z.object(publicMembers);
export type PublicJwk = z.output<typeof publicKey>;

/** What ES256 signs by. */
const privateKey = z.object({ ...publicMembers, d: coordinate });
export type PrivateJwk = z.output<typeof privateKey>;

/** A setting that is a JWK; its faults say nothing of what it holds. */
const settingOf = <Key extends z.ZodMiniType>(key: Key, rule: string) =>
  z.optional(z.union([unset, z.pipe(json('must be a JWK, as JSON'), key)], { error: rule }));

export const privateJwkSetting = settingOf(
  privateKey,
  'must be a private JWK, as JSON: kty EC, crv P-256, x, y and d',
);
export const publicJwkSetting = settingOf(publicKey, 'must be a JWK, as JSON: kty EC, crv P-256, x and y');
