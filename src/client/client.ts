export type { Carrier } from './carriers.ts';
export type { Demands } from './demands.ts';
export type { Endpoint } from './http.ts';
export type { Refusal, RefusalCode } from './refusal.ts';
export type {
  BoundVerifyRequest,
  KeyListRequest,
  KeysService,
  Refused,
  UpdatedKey,
  VerifierService,
} from './services.ts';
export type { Source, UntypedBinding, VerdictSource } from './source.ts';
export type { RefusedVerdict, ValidVerdict } from './verdict.ts';
export type * from './wire.ts';

export {
  createClient,
  type AuditEventListRequest,
  type Client,
  type ClientOptions,
  type Effective,
  type PageRequest,
} from './create_client.ts';
export { MintmarkError, orThrow } from './or_throw.ts';
export { entries } from './entries.ts';
export { verifyRequest, type Outcome, type VerifyRequestOptions } from './verify_request.ts';
