import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { TestIssuer, type IssuerKey } from '../../credentials/issuer.ts';

/** What becomes of a request; `good` is the JSON that it ought to have. */
export type Fault = (exchange: {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  readonly good: string;
}) => unknown;

/** OpenID providers behind one port, each at a path of its own. */
export interface Providers {
  /** A new one, and what happens to requests for its configuration or its keys instead of an answer. */
  readonly open: (keys: readonly IssuerKey[], faults?: Faults) => TestIssuer;
  readonly close: () => void;
}

export interface Faults {
  configuration?: Fault;
  jwks?: Fault;
}

const answered: Fault = ({ outgoing, good }) =>
  outgoing.writeHead(200, { 'Content-Type': 'application/json' }).end(good);

export async function startProviders(): Promise<Providers> {
  const opened = new Map<string, { issuer: TestIssuer; faults: Faults }>();
  const server = createServer((incoming, outgoing) => {
    // An endless answer is broken off by whoever asked.
    outgoing.on('error', () => undefined);
    const [path = ''] = String(incoming.url).split('?');
    const address = base + path;
    const found = [...opened.values()].find(({ issuer }) => address.startsWith(`${issuer.url}/`));
    if (found === undefined) return void outgoing.writeHead(404).end();
    const { issuer, faults } = found;
    const fault = (address === issuer.jwksUrl ? faults.jwks : faults.configuration) ?? answered;
    void issuer
      .fetch(address)
      .then((response) => response.text())
      .then((good) => fault({ incoming, outgoing, good }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    open(keys, faults = {}) {
      const issuer = new TestIssuer(keys, `${base}/${crypto.randomUUID()}`);
      opened.set(issuer.url, { issuer, faults });
      return issuer;
    },
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
