import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

/** RFC 6455 §1.3 */
const WEBSOCKET_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** A request that came through a proxy. */
export interface Visit {
  readonly method: string;
  readonly url: string;
  /** As a program sees them that was told by CGI: the names in upper case, with underscores for dashes. */
  readonly headers: ReadonlyMap<string, string>;
  readonly length: number;
}

/** What stands behind a proxy. */
export interface Application {
  readonly port: number;
  readonly visits: Visit[];
  readonly close: () => void;
}

export async function startApplication(): Promise<Application> {
  const visits: Visit[] = [];
  const server = createServer((incoming, response) => {
    void buffer(incoming).then(({ length }) => {
      visits.push({ ...visitOf(incoming), length });
      return response.end('The application\n');
    });
  });
  server.on('upgrade', (incoming, socket) => {
    visits.push({ ...visitOf(incoming), length: 0 });
    const accept = createHash('sha1').update(`${incoming.headers['sec-websocket-key']}${WEBSOCKET_GUID}`);
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n' +
        `Upgrade: ${incoming.headers.upgrade}\r\nSec-WebSocket-Accept: ${accept.digest('base64')}\r\n\r\n`,
    );
    socket.end('through');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    visits,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

function visitOf({ method = '', url = '', rawHeaders }: IncomingMessage) {
  const headers = new Map<string, string>();
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] ?? '').toUpperCase().replaceAll('-', '_');
    const value = rawHeaders[index + 1] ?? '';
    headers.set(name, headers.has(name) ? `${headers.get(name)}, ${value}` : value);
  }
  return { method, url, headers };
}
