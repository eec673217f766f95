const MAPPED_IPV4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/;
/** IPv6 addresses that embed others, or are special: each stands for itself. */
const NO_NETWORK = '0:0:0:0';

/**
 * Who an address belongs to: an IPv4 address alone, and of an IPv6 address the first half, since who has one has all that
 * share it (RFC 6177). IPv4 in IPv6's notation (RFC 4291, section 2.5.5.2) is IPv4.
 */
export function networkOf(address: string): string {
  const text = address.toLowerCase();
  const [, mapped] = MAPPED_IPV4.exec(text) ?? [];
  if (mapped !== undefined) return mapped;
  if (!text.includes(':')) return text;
  const [head = '', tail] = text.split('::');
  const groups = head === '' ? [] : head.split(':');
  const rest = tail === undefined || tail === '' ? [] : tail.split(':');
  const missing = tail === undefined ? 0 : Math.max(0, 8 - groups.length - rest.length);
  const whole = [...groups, ...Array.from({ length: missing }, () => '0'), ...rest];
  const network = whole
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':');
  return network === NO_NETWORK ? text : network;
}
