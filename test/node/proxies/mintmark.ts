import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

import { createTestHarness } from 'wrangler';

import { createClient, orThrow, type Client } from '../../../src/client/client.ts';

export const ROOT_KEY = 'proxies-test-root-key-0123456789-abcdefg';

/** What a proxy asked of Mintmark. */
export interface Question {
  readonly method: string;
  readonly url: string;
  /** Names in lower case. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
}

type Fault = (response: ServerResponse) => unknown;

/** The real Mintmark, and in front of it a witness of what is asked, who can also fail. */
export interface Mintmark {
  /** The witness's. */
  readonly port: number;
  readonly client: Client;
  readonly clientOf: (organization: string) => Client;
  /** A key of a new account of the default organization. */
  readonly mint: (...permissions: string[]) => Promise<Minted>;
  /** What was asked meanwhile. */
  readonly questionsOf: (work: () => Promise<unknown>) => Promise<Question[]>;
  /** Meanwhile this is what becomes of questions. */
  readonly during: (fault: Fault, work: () => Promise<unknown>) => Promise<void>;
  /** Meanwhile nobody listens. */
  readonly stopped: (work: () => Promise<unknown>) => Promise<void>;
  readonly close: () => Promise<void>;
}

export interface Minted {
  readonly id: string;
  readonly accountId: string;
  readonly secret: string;
}

export async function startMintmark(): Promise<Mintmark> {
  const harness = createTestHarness({
    workers: [{ configPath: 'wrangler.toml', secrets: { MINTMARK_ROOT_KEY: ROOT_KEY } }],
  });
  const { url } = await harness.listen();
  const worker = harness.getWorker<{ DB: D1Database }>('mintmark');
  await worker.applyD1Migrations('DB');
  const root = { service: worker, credential: ROOT_KEY };
  const client = createClient(root);

  const questions: Question[] = [];
  let fault: Fault | null = null;

  async function answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(incoming);
    questions.push(questionOf(incoming, body));
    if (fault !== null) return void fault(response);
    const forwarded = request(String(new URL(incoming.url ?? '/', url)), {
      method: incoming.method ?? 'GET',
      headers: incoming.rawHeaders,
      agent: false,
    });
    forwarded.end(body);
    const [told] = (await once(forwarded, 'response')) as [IncomingMessage];
    response.writeHead(told.statusCode ?? 0, told.rawHeaders);
    response.end(await text(told));
  }

  const witness = createServer((incoming, response) => {
    answer(incoming, response).catch(() => incoming.socket.destroy());
  });
  const open = async (port: number) => {
    witness.listen(port, '127.0.0.1');
    await once(witness, 'listening');
    return (witness.address() as AddressInfo).port;
  };
  const shut = async () => {
    witness.closeAllConnections();
    witness.close();
    await once(witness, 'close');
  };
  const port = await open(0);

  return {
    port,
    client,
    clientOf: (organization) => createClient({ ...root, organization }),
    async mint(...permissions) {
      const account = { name: crypto.randomUUID(), permissions };
      const { id: accountId } = orThrow(await client.serviceAccounts.create(account));
      const { key, secret } = orThrow(await client.keys.create({ name: 'key', serviceAccountId: accountId }));
      return { id: key.id, accountId, secret };
    },
    async questionsOf(work) {
      const before = questions.length;
      await work();
      return questions.slice(before);
    },
    async during(failing, work) {
      fault = failing;
      try {
        await work();
      } finally {
        fault = null;
      }
    },
    async stopped(work) {
      await shut();
      try {
        await work();
      } finally {
        await open(port);
      }
    },
    async close() {
      await shut();
      await harness.close();
    },
  };
}

function questionOf({ method = '', url = '', rawHeaders }: IncomingMessage, body: string): Question {
  const headers = rawHeaders.flatMap((name, index) =>
    index % 2 === 0 ? [[name.toLowerCase(), rawHeaders[index + 1] ?? ''] as const] : [],
  );
  return { method, url, headers, body };
}
