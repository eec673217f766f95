import * as z from 'zod/mini';

import {
  keyListRequest,
  keyPatch,
  newKey,
  revocation,
  rotation,
  type ApiKeyResource,
  type MintedKeyResource,
  type RevokedKeyResource,
  type RotatedKeyResource,
  type UpdatedKeyResource,
} from '../contract/api_keys.ts';
import { scopes, userId } from '../contract/fields.ts';
import { apiKeyResource, effectiveByOf, pageResource, timestampOf } from '../contract/resources.ts';
import type { Caller } from '../core/caller.ts';
import type { Platform } from '../core/platform.ts';
import { accept, refuse, type Result } from '../core/refusal.ts';
import type { BoundClaim, Callers } from '../keyring/callers.ts';
import type { Keys, ShownKey } from '../keyring/keys.ts';
import type { Lineages } from '../keyring/lineages.ts';
import type { Rotations } from '../keyring/rotations.ts';
import { parsed } from './answer.ts';

/** Set on the binding by who deploys it; it is how Mintmark knows the caller. Without it everything is refused. */
const keysProps = z.strictObject({
  /** An id or a slug. */
  organization: z.string(),
  /** Management scopes, such as `mintmark:keys:write`. */
  scopes,
  /** Who is said to have done what is done over this binding. */
  actor: userId,
});
export type KeysProps = z.input<typeof keysProps>;

export type NewKeyInput = z.input<typeof newKey>;
export type KeyPatchInput = z.input<typeof keyPatch>;
export type KeyListInput = z.input<typeof keyListRequest>;
export type RotationInput = z.input<typeof rotation>;
export type RevocationInput = z.input<typeof revocation>;

/** The arguments of a call on one key. */
const named = <Schema extends z.ZodMiniType>(schema: Schema) => z.object({ id: z.string(), input: schema });

type Call<Schema extends z.ZodMiniType, Value> = (
  caller: Caller,
  request: z.output<Schema>,
) => Promise<Result<Value>>;

interface KeyServices {
  readonly callers: Callers;
  readonly keys: Keys;
  readonly lineages: Lineages;
  readonly rotations: Rotations;
  readonly platform: Pick<Platform, 'clock'>;
}

/** The key calls of one binding: the same services as over HTTP, the same answers. */
export class KeyManagement {
  readonly #services: KeyServices;
  readonly #props: unknown;
  readonly #requestId: string;

  constructor(services: KeyServices, props: unknown, requestId: string) {
    this.#services = services;
    this.#props = props;
    this.#requestId = requestId;
  }

  create(input: NewKeyInput): Promise<Result<MintedKeyResource>> {
    return this.#change(
      newKey,
      input,
      async (caller, { serviceAccountId, userId: user = '', ...request }) => {
        const owner =
          serviceAccountId === undefined ? { userId: user } : { account: { id: serviceAccountId } };
        const minted = await this.#services.keys.mint(caller, owner, request);
        if (!minted.ok) return minted;
        const { key, secret } = minted.value.value;
        return accept({ key: this.#resource({ key, lastUse: null }), secret });
      },
    );
  }

  get(id: string): Promise<Result<ApiKeyResource>> {
    return this.#read(z.string(), id, async (caller, keyId) => {
      const found = await this.#services.keys.get(caller, { id: keyId });
      return found.ok ? accept(this.#resource(found.value)) : found;
    });
  }

  list(input: KeyListInput): Promise<Result<{ data: ApiKeyResource[]; nextCursor: string | null }>> {
    return this.#read(keyListRequest, input, async (caller, { limit, cursor = null, ...filter }) => {
      const page = await this.#services.keys.list(caller, filter, { limit, before: cursor });
      return page.ok ? accept(pageResource(page.value, (shown) => this.#resource(shown))) : page;
    });
  }

  update(id: string, input: KeyPatchInput): Promise<Result<UpdatedKeyResource>> {
    return this.#change(named(keyPatch), { id, input }, async (caller, { id: keyId, input: patch }) => {
      const updated = await this.#services.keys.update(caller, { id: keyId }, patch);
      if (!updated.ok) return updated;
      const { value, effectiveBy } = updated.value;
      const told = effectiveBy === null ? {} : { effectiveBy: timestampOf(effectiveBy) };
      return accept({ ...this.#resource(value), ...told });
    });
  }

  rotate(id: string, input: RotationInput): Promise<Result<RotatedKeyResource>> {
    return this.#change(named(rotation), { id, input }, async (caller, { id: keyId, input: request }) => {
      const rotated = await this.#services.rotations.rotate(caller, { id: keyId }, request);
      if (!rotated.ok) return rotated;
      const { key, secret, previous } = rotated.value.value;
      return accept({
        key: this.#resource({ key, lastUse: null }),
        secret,
        previous: this.#resource(previous),
        effectiveBy: effectiveByOf(rotated.value.effectiveBy),
      });
    });
  }

  revoke(id: string, input: RevocationInput): Promise<Result<RevokedKeyResource>> {
    return this.#change(
      named(revocation),
      { id, input },
      async (caller, { id: keyId, input: { reason = null, lineage = false } }) => {
        const { keys, lineages } = this.#services;
        const revoked = await (lineage
          ? lineages.revoke(caller, { id: keyId }, reason)
          : keys.revoke(caller, { id: keyId }, { reason }));
        if (!revoked.ok) return revoked;
        return accept({
          key: this.#resource(revoked.value.value),
          effectiveBy: effectiveByOf(revoked.value.effectiveBy),
        });
      },
    );
  }

  #read<Schema extends z.ZodMiniType, Value>(schema: Schema, input: unknown, call: Call<Schema, Value>) {
    return this.#call(schema, input, (claim) => this.#services.callers.bound(claim), call);
  }

  #change<Schema extends z.ZodMiniType, Value>(schema: Schema, input: unknown, call: Call<Schema, Value>) {
    return this.#call(schema, input, (claim) => this.#services.callers.presumeBound(claim), call);
  }

  async #call<Schema extends z.ZodMiniType, Value>(
    schema: Schema,
    input: unknown,
    judge: (claim: BoundClaim) => Promise<Result<Caller>>,
    call: Call<Schema, Value>,
  ): Promise<Result<Value>> {
    const claim = this.#claim();
    if (!claim.ok) return claim;
    const caller = await judge(claim.value);
    if (!caller.ok) return caller;
    const request = parsed(schema, input);
    return request.ok ? call(caller.value, request.value) : request;
  }

  #claim(): Result<BoundClaim> {
    const props = keysProps.safeParse(this.#props);
    if (!props.success)
      return refuse({ kind: 'invalid_credential', reason: 'the binding has no usable props' });
    const { organization, scopes: held, actor } = props.data;
    return accept({
      by: { kind: 'bound', actor: { type: 'user', id: actor, credentialId: null }, scopes: held },
      named: [organization],
      origin: { requestId: this.#requestId, ip: null, userAgent: null },
    });
  }

  #resource({ key, lastUse }: ShownKey): ApiKeyResource {
    return apiKeyResource(key, lastUse, this.#services.platform.clock());
  }
}
