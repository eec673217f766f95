import { isSame, type Action } from '../core/audit.ts';
import type { Caller } from '../core/caller.ts';
import { DEFAULT_KEY_PREFIX } from '../core/constants.ts';
import {
  DEFAULT_ORGANIZATION_ID,
  parseOrganizationId,
  type IdFactory,
  type OrganizationId,
} from '../core/id.ts';
import type { Page, PageRequest } from '../core/page.ts';
import type { Organization } from '../core/records.ts';
import { accept, refuse, type Refusal, type Result } from '../core/refusal.ts';
import { coversAll, type Scope } from '../core/scope.ts';
import { slugOf } from '../core/slug.ts';
import type { OrganizationStore } from '../store/organizations.ts';
import { forbidden, refusal, type Changed, type Changes } from './changes.ts';

export interface NewOrganization {
  readonly name: string;
  /** Absent: made from the name. */
  readonly slug?: string | undefined;
  readonly keyPrefix?: string | undefined;
  readonly personalKeyPermissions?: readonly Scope[] | undefined;
  readonly maxLiveKeys?: number | null | undefined;
  readonly maxKeyLifetime?: string | null | undefined;
}

/** Absent: unchanged. Null: cleared. */
export type OrganizationPatch = {
  readonly [Field in keyof NewOrganization]?: NewOrganization[Field] | undefined;
};

const NOT_FOUND: Refusal = { kind: 'not_found', what: 'organization' };

/** Organizations: root's alone. */
export class Organizations {
  readonly #store: OrganizationStore;
  readonly #changes: Changes;
  readonly #ids: IdFactory;

  constructor(store: OrganizationStore, changes: Changes, ids: IdFactory) {
    this.#store = store;
    this.#changes = changes;
    this.#ids = ids;
  }

  create(caller: Caller, input: NewOrganization): Promise<Result<Changed<Organization>>> {
    return this.#changes.make(caller, 'root', async ({ actor }, now) => {
      const id = this.#ids.organization();
      const organization: Organization = {
        id,
        slug: input.slug ?? slugOf(input.name, id),
        name: input.name,
        keyPrefix: input.keyPrefix ?? DEFAULT_KEY_PREFIX,
        personalKeyPermissions: input.personalKeyPermissions ?? [],
        maxLiveKeys: input.maxLiveKeys ?? null,
        maxKeyLifetime: input.maxKeyLifetime ?? null,
        createdAt: now,
        createdBy: actor.id,
        updatedAt: now,
        updatedBy: actor.id,
        deletedAt: null,
        revision: 1,
      };
      return {
        kind: 'change',
        edits: [
          {
            action: 'organization.created',
            write: { kind: 'insert_organization', row: organization },
            before: null,
          },
        ],
        grants: [],
        grantedTo: { type: 'organization', id },
        weakens: false,
        value: organization,
      };
    });
  }

  async get(caller: Caller, id: string): Promise<Result<Organization>> {
    const denied = forbidden(caller, 'root');
    if (denied !== null) return refuse(denied);
    const organization = await this.#find(id);
    return organization === null ? refuse(NOT_FOUND) : accept(organization);
  }

  async list(
    caller: Caller,
    request: PageRequest<OrganizationId>,
  ): Promise<Result<Page<Organization, OrganizationId>>> {
    const denied = forbidden(caller, 'root');
    return denied === null ? accept(await this.#store.list(request)) : refuse(denied);
  }

  update(caller: Caller, id: string, patch: OrganizationPatch): Promise<Result<Changed<Organization>>> {
    return this.#edit(caller, id, 'organization.updated', (organization) => ({
      ...organization,
      name: patch.name ?? organization.name,
      slug: patch.slug ?? organization.slug,
      keyPrefix: patch.keyPrefix ?? organization.keyPrefix,
      personalKeyPermissions: patch.personalKeyPermissions ?? organization.personalKeyPermissions,
      maxLiveKeys: patch.maxLiveKeys === undefined ? organization.maxLiveKeys : patch.maxLiveKeys,
      maxKeyLifetime: patch.maxKeyLifetime === undefined ? organization.maxKeyLifetime : patch.maxKeyLifetime,
    }));
  }

  /** All of its keys end with it, by this one change; its audit trail stays. */
  remove(caller: Caller, id: string): Promise<Result<Changed<Organization>>> {
    return this.#edit(caller, id, 'organization.deleted', (organization, now) => ({
      ...organization,
      deletedAt: now,
    }));
  }

  #edit(
    caller: Caller,
    id: string,
    action: Action,
    edit: (organization: Organization, now: number) => Organization,
  ): Promise<Result<Changed<Organization>>> {
    return this.#changes.make(caller, 'root', async ({ actor }, now) => {
      const before = await this.#find(id);
      if (before === null) return refusal(NOT_FOUND);
      const edited = edit(before, now);
      if (isSame(before, edited)) return { kind: 'unchanged', value: before };
      const after = { ...edited, updatedAt: now, updatedBy: actor.id };
      const isDeleted = after.deletedAt !== null;
      return {
        kind: 'change',
        edits: [{ action, write: { kind: 'update_organization', row: after }, before }],
        grants: [],
        grantedTo: { type: 'organization', id: after.id },
        conflict:
          after.id === DEFAULT_ORGANIZATION_ID && (isDeleted || after.slug !== before.slug)
            ? { kind: 'default_organization' }
            : null,
        // Whoever goes by its old slug loses it.
        weakens:
          isDeleted ||
          after.slug !== before.slug ||
          !coversAll(after.personalKeyPermissions, before.personalKeyPermissions),
        value: after,
      };
    });
  }

  async #find(id: string): Promise<Organization | null> {
    const organizationId = parseOrganizationId(id);
    return organizationId === null ? null : this.#store.find(organizationId);
  }
}
