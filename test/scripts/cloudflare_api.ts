import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { DatabaseSync } from 'node:sqlite';
import { text } from 'node:stream/consumers';

/** An account in memory, behind the calls that wrangler makes to deploy there. */
export interface Account {
  url: string;
  /** What happened to the account, in order. */
  changes: string[];
  /** The names of the modules of the last upload. */
  modules: string[];
  secrets: Map<string, string>;
  databases: Map<string, DatabaseSync>;
  close: () => Promise<void>;
}

interface Call {
  method: string;
  path: string;
  body: string;
}

class NotFound {
  readonly code: number;

  constructor(code: number) {
    this.code = code;
  }
}

const NO_SUCH_DATABASE = 7404;
const NO_SUCH_WORKER = 10090;
const WORKER = 'mintmark';
const VERSION_ID = '00000000-0000-4000-8000-000000000002';
const DATABASE_ID = '00000000-0000-4000-8000-000000000001';

const databaseInfo = (name: string) => ({
  uuid: DATABASE_ID,
  name,
  version: 'production',
  num_tables: 0,
  file_size: 0,
});

export async function startAccount(): Promise<Account> {
  const changes: string[] = [];
  const modules: string[] = [];
  const secrets = new Map<string, string>();
  const databases = new Map<string, DatabaseSync>();
  const namespaces: { id: string; title: string }[] = [];
  let isDeployed = false;

  const database = (name = '') =>
    databases.get(name) ?? (name === DATABASE_ID ? [...databases.values()][0] : undefined);

  function query(name: string | undefined, body: string) {
    const sqlite = database(name);
    if (sqlite === undefined) return new NotFound(NO_SUCH_DATABASE);
    const { sql, params = [] } = JSON.parse(body) as { sql: string; params?: string[] };
    if (params.length > 0 || /^\s*(select|pragma)\b/i.test(sql)) {
      return [{ results: sqlite.prepare(sql).all(...params), success: true, meta: {} }];
    }
    changes.push(
      `query ${/create table (?:if not exists )?["\w]+/i.exec(sql)?.[0].toLowerCase() ?? 'other'}`,
    );
    sqlite.exec(`BEGIN;\n${sql};\nCOMMIT`);
    // Of several statements at once, nobody reads the rows of any but the last.
    const last = /;\s*(select [^;]*);\s*$/i.exec(sql)?.[1];
    return [{ results: last === undefined ? [] : sqlite.prepare(last).all(), success: true, meta: {} }];
  }

  function noteUpload(body: string): void {
    changes.push('upload');
    const named = [...body.matchAll(/filename="([^"]+\.mjs)"/g)].map(([, name = '']) => name);
    modules.splice(0, modules.length, ...named);
  }

  function answer({ method, path, body }: Call): unknown {
    const [service, ...rest] = path.split('/').filter((part) => part !== '');
    const call = `${method} ${[service, ...rest].join('/')}`;
    if (call === 'GET d1/database') return [...databases.keys()].map(databaseInfo);
    if (call === 'POST d1/database') {
      const { name } = JSON.parse(body) as { name: string };
      databases.set(name, new DatabaseSync(':memory:'));
      changes.push(`create database ${name}`);
      return databaseInfo(name);
    }
    if (method === 'POST' && path.endsWith('/query')) return query(rest[1], body);
    if (method === 'GET' && path.startsWith('/d1/database/')) {
      return database(rest[1]) === undefined
        ? new NotFound(NO_SUCH_DATABASE)
        : databaseInfo([...databases.keys()][0] ?? '');
    }
    if (call === 'GET storage/kv/namespaces') return namespaces;
    if (call === 'POST storage/kv/namespaces') {
      const { title } = JSON.parse(body) as { title: string };
      namespaces.push({ id: '0'.repeat(32), title });
      changes.push(`create namespace ${title}`);
      return namespaces[0];
    }
    if (path.endsWith('/secrets') && method === 'GET')
      return [...secrets.keys()].map((name) => ({ name, type: 'secret_text' }));
    if (path.endsWith('/secrets') && method === 'PUT') {
      const { name, text: value } = JSON.parse(body) as { name: string; text: string };
      secrets.set(name, value);
      changes.push(`put secret ${name}`);
      return { name, type: 'secret_text' };
    }
    if (call === 'GET workers/subdomain') return { subdomain: 'example' };
    if (call === `GET workers/services/${WORKER}` && isDeployed) {
      return {
        default_environment: {
          environment: 'production',
          script: { tag: 'tag', tags: null, last_deployed_from: 'wrangler' },
        },
      };
    }
    if (call === `GET workers/scripts/${WORKER}/settings` && isDeployed) {
      return {
        bindings: [
          { type: 'd1', name: 'DB', id: DATABASE_ID },
          { type: 'kv_namespace', name: 'CACHE' },
        ],
      };
    }
    // It has every static asset already.
    if (call === `POST workers/scripts/${WORKER}/assets-upload-session`) {
      return { jwt: 'complete', buckets: [] };
    }
    if (call === `PUT workers/scripts/${WORKER}`) {
      isDeployed = true;
      noteUpload(body);
      return { id: WORKER, tag: 'tag', startup_time_ms: 1 };
    }
    if (call === `GET workers/scripts/${WORKER}/deployments` && isDeployed) return { deployments: [] };
    if (call === `POST workers/scripts/${WORKER}/versions`) {
      noteUpload(body);
      return {
        id: VERSION_ID,
        startup_time_ms: 1,
        metadata: {},
        resources: { script: { etag: 'etag' }, bindings: [], script_runtime: {} },
      };
    }
    if (call === `POST workers/scripts/${WORKER}/deployments`) return { id: VERSION_ID };
    if (call === `PATCH workers/scripts/${WORKER}/script-settings`) return {};
    if (call === `PUT workers/scripts/${WORKER}/schedules`) return { schedules: JSON.parse(body) as unknown };
    if (path === `/workers/workers/${WORKER}`)
      return {
        id: 'tag',
        name: WORKER,
        subdomain: { enabled: true, previews_enabled: false },
        observability: { enabled: true },
      };
    if (path === `/workers/scripts/${WORKER}/subdomain`) return { enabled: true, previews_enabled: true };
    return new NotFound(NO_SUCH_WORKER);
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = new URL(request.url ?? '/', 'http://x').pathname.replace(/^\/accounts\/[^/]+/, '');
    const result = answer({ method: request.method ?? 'GET', path, body: await text(request) });
    const isMissing = result instanceof NotFound;
    response.writeHead(isMissing ? 404 : 200, { 'content-type': 'application/json' });
    response.end(
      JSON.stringify({
        success: !isMissing,
        errors: isMissing ? [{ code: result.code, message: 'not found' }] : [],
        messages: [],
        result: isMissing ? null : result,
        result_info: {
          page: 1,
          per_page: 100,
          count: 1,
          total_count: Array.isArray(result) ? result.length : 1,
        },
      }),
    );
  }

  const server = createServer((request, response) => void handle(request, response));
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    changes,
    modules,
    secrets,
    databases,
    close: () => new Promise((closed) => server.close(() => closed())),
  };
}
