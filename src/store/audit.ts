import type { Action, AuditEvent } from '../core/audit.ts';
import { MAX_ROWS_EXAMINED } from '../core/constants.ts';
import { eventIdFrom, type EventId, type OrganizationId } from '../core/id.ts';
import { pageOf, type Page, type PageRequest } from '../core/page.ts';
import { reaching } from './faults.ts';
import { type AuditEventRow, pageRows, toAuditEvent } from './rows.ts';

const COLUMNS = `id, organization_id, at, action, actor_type, actor_id, credential_id, target_type, target_id,
  request_id, ip, user_agent, changes`;

export interface EventFilter {
  readonly action?: Action | undefined;
  readonly actorId?: string | undefined;
  readonly targetId?: string | undefined;
  /** Epoch milliseconds, inclusive. */
  readonly from?: number | undefined;
  /** Epoch milliseconds, exclusive. */
  readonly to?: number | undefined;
}

/** Sorts after every id: base62 ends with `z`. */
const AFTER_EVERY_ID = 'evt_~';

const idOf = (event: AuditEvent): EventId => event.id;

export class AuditStore {
  readonly #db: D1Database;

  constructor(db: D1Database) {
    this.#db = db;
  }

  /**
   * The organization's events that pass a filter, newest first. Target and actor have an index, and time is part of the
   * id; the rest looks at no more than a bounded number of events, so a page may be short and still not be the last.
   */
  async list(
    organizationId: OrganizationId,
    { action, actorId, targetId, from, to }: EventFilter,
    { before, limit }: PageRequest<EventId>,
  ): Promise<Page<AuditEvent, EventId>> {
    const until = to === undefined ? AFTER_EVERY_ID : eventIdFrom(to);
    const index = targetId !== undefined ? 'of_target' : actorId !== undefined ? 'of_actor' : 'list';
    const newest = `FROM audit_events INDEXED BY audit_events_${index} WHERE organization_id = ?1
      ${targetId !== undefined ? 'AND target_id = ?2' : actorId !== undefined ? 'AND actor_id = ?3' : ''} AND id < ?4`;
    const owner = [
      organizationId,
      targetId ?? null,
      actorId ?? null,
      before !== null && before < until ? before : until,
      from === undefined ? '' : eventIdFrom(from),
    ];
    const matching = [
      ...(action === undefined ? [] : ['AND action = ?6']),
      ...(actorId === undefined || index === 'of_actor' ? [] : ['AND actor_id = ?3']),
    ];
    const horizon =
      matching.length === 0
        ? 'SELECT NULL AS id WHERE ?5 IS NULL'
        : `SELECT id ${newest} AND id >= ?5 ORDER BY id DESC LIMIT 1 OFFSET ${MAX_ROWS_EXAMINED - 1}`;
    const { rows, lastExamined } = pageRows<AuditEventRow>(
      await reaching(() =>
        this.#db.batch([
          this.#db
            .prepare(
              // One lower bound, for of two SQLite would walk the index by one and filter by the other.
              `SELECT ${COLUMNS} ${newest} AND id >= max(?5, coalesce((${horizon}), '')) ${matching.join(' ')}
               ORDER BY id DESC LIMIT ?7`,
            )
            .bind(...owner, action ?? null, limit + 1),
          this.#db.prepare(horizon).bind(...owner),
        ]),
      ),
    );
    return pageOf(rows.map(toAuditEvent), limit, idOf, lastExamined);
  }
}
