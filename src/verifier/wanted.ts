import type { Handle } from '../core/handle.ts';
import type { OrganizationId } from '../core/id.ts';
import type { KeyRecord } from '../core/records.ts';

/** What is looked for. */
export interface Wanted {
  readonly handle: Handle;
  /** Whose key it must be; null: anyone's. Another organization's is as one that never was, in cost as well. */
  readonly organizationId: OrganizationId | null;
  /** The oldest, in milliseconds, that the knowledge behind the answer may be; null: as the deployment allows. */
  readonly maxAgeMs: number | null;
  /** Who is counted, and refused in the end, when there is no such key: see {@link Floods}. */
  readonly asker: string;
}

export interface Found {
  /** Null: there is no such key. */
  readonly record: KeyRecord | null;
  readonly source: 'memory' | 'kv' | 'd1';
  /** How old the knowledge behind this is, in milliseconds. */
  readonly ageMs: number;
  /** Older than the bound allows, since D1 can't be reached. */
  readonly isDegraded: boolean;
}
