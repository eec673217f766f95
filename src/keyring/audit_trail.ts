import type { AuditEvent } from '../core/audit.ts';
import type { Caller } from '../core/caller.ts';
import type { EventId } from '../core/id.ts';
import type { Page, PageRequest } from '../core/page.ts';
import { accept, refuse, type Result } from '../core/refusal.ts';
import type { AuditStore, EventFilter } from '../store/audit.ts';
import { forbidden } from './changes.ts';

/** Who did what in the caller's organization. Reading it needs `mintmark:audit:read`. */
export class AuditTrail {
  readonly #store: AuditStore;

  constructor(store: AuditStore) {
    this.#store = store;
  }

  async list(
    caller: Caller,
    filter: EventFilter,
    request: PageRequest<EventId>,
  ): Promise<Result<Page<AuditEvent, EventId>>> {
    const denied = forbidden(caller, 'mintmark:audit:read');
    if (denied !== null) return refuse(denied);
    return accept(await this.#store.list(caller.organization.id, filter, request));
  }
}
