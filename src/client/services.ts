import type {
  ApiKey,
  ApiKeyPage,
  KeyPatch,
  MintedKey,
  NewKey,
  Problem,
  Revocation,
  RevokedKey,
  RotatedKey,
  Rotation,
  Verdict,
  VerifyRequest,
} from './wire.ts';

/** What a call comes to instead of its value. A refusal is answered, never thrown. */
export interface Refused {
  readonly error: Problem;
}

/** Over a binding that is for every organization (`"*"`), `organization` says whose the key must be. */
export type BoundVerifyRequest = VerifyRequest & {
  /** The id of an organization; `own` insists on the binding's, and is refused where that is for every one. */
  readonly organization?: string;
};

/** The entrypoint `Verifier` of a service binding, for whoever has no types from `wrangler types`. */
export interface VerifierService {
  /** The verdict on a key. */
  verify(request: BoundVerifyRequest): Promise<Verdict | Refused>;
  /** The verdicts on up to a hundred keys, in the order of asking; one bad request refuses them all. */
  verifyMany(requests: readonly BoundVerifyRequest[]): Promise<Verdict[] | Refused>;
}

/** What may be asked of a list of keys. */
export interface KeyListRequest {
  readonly serviceAccountId?: string | undefined;
  readonly userId?: string | undefined;
  readonly status?: ApiKey['status'] | undefined;
  readonly environment?: ApiKey['environment'] | undefined;
  /** The start of a name or of `start`, or a whole id. */
  readonly search?: string | undefined;
  /** 1 to 100; 50 unless said. */
  readonly limit?: number | undefined;
  /** `nextCursor` of the page before. */
  readonly cursor?: string | undefined;
}

/** A changed key; `effectiveBy` where something was taken away: from then on no edge accepts what was. */
export type UpdatedKey = ApiKey & { readonly effectiveBy?: string };

/** The entrypoint `Keys` of a service binding. A client's `keys` has the same calls over HTTPS. */
export interface KeysService {
  create(input: NewKey): Promise<MintedKey | Refused>;
  get(id: string): Promise<ApiKey | Refused>;
  list(input?: KeyListRequest): Promise<ApiKeyPage | Refused>;
  update(id: string, input: KeyPatch): Promise<UpdatedKey | Refused>;
  rotate(id: string, input?: Rotation): Promise<RotatedKey | Refused>;
  revoke(id: string, input?: Revocation): Promise<RevokedKey | Refused>;
}
