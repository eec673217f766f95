const OCTET = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';
const IPV4 = new RegExp(`^${OCTET}(?:\\.${OCTET}){3}$`);
/** What an IPv6 address is made of; the URL parser judges the rest. */
const IPV6 = /^[\da-f:.]{2,45}$/i;

/** Text as an IP address, or undefined: what is none tells nothing of a client, and would have the call refused. */
export function ipOf(text: string | null | undefined): string | undefined {
  if (typeof text !== 'string') return undefined;
  const isIp = IPV4.test(text) || (IPV6.test(text) && URL.canParse(`http://[${text}]`));
  return isIp ? text : undefined;
}

/**
 * The client's address by `CF-Connecting-IP`, which Cloudflare sets in front of a Worker. Anywhere else a client could set
 * it, and nothing is read from it.
 */
export function edgeAddress(headers: Headers): string | null {
  const isWorker = 'navigator' in globalThis && navigator.userAgent === 'Cloudflare-Workers';
  return isWorker ? headers.get('CF-Connecting-IP') : null;
}
