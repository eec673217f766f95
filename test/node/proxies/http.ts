import { once } from 'node:events';
import { request, type IncomingHttpHeaders, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Asked {
  readonly method?: string;
  /** A list is sent as as many headers. */
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string | Buffer;
}

/** Sends a request whose path nothing tidies up, on a connection of its own. */
export async function ask(
  port: number,
  path: string,
  { method = 'GET', headers = {}, body }: Asked = {},
): Promise<Answer> {
  // Node leaves it out where a method has no body as a rule.
  const sized =
    body === undefined || 'Transfer-Encoding' in headers
      ? headers
      : { ...headers, 'Content-Length': Buffer.byteLength(body) };
  const sent = request({ host: '127.0.0.1', port, path, method, headers: sized, agent: false });
  // A server may answer, and close, before it has read a body that it refuses.
  sent.on('error', () => undefined).end(body);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  return { status: response.statusCode ?? 0, headers: response.headers, body: await text(response) };
}

/** Sends what may be no request at all, and returns all that comes back until the server closes. */
export async function say(port: number, said: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.write(said);
  return text(socket);
}

/** The statuses of the answers on one connection. */
export const statusesIn = (answers: string): number[] =>
  [...answers.matchAll(/HTTP\/1\.[01] (\d{3}) /g)].map(([, status]) => Number(status));

export const bearer = (key: string) => ({ Authorization: `Bearer ${key}` });
