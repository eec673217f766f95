/** Where nothing but this machine is reached: an origin, as a URL writes it. */
const LOCAL_ORIGIN = /^http:\/\/(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?$/;

export const isLocalOrigin = (origin: string): boolean => LOCAL_ORIGIN.test(origin);

/** Why a text can't be an issuer's identifier (RFC 8414 §2) here, or null. */
export function issuerFault(text: string): string | null {
  if (isLocalOrigin(text)) return null;
  const rule = 'must be an origin such as https://keys.example.com, with nothing after it';
  const url = URL.parse(text);
  return url !== null && url.protocol === 'https:' && url.origin === text ? null : rule;
}

/** Whether nobody between here and there could change what is answered: https, or this machine. */
export function isSafeUrl(text: string): boolean {
  const url = URL.parse(text);
  return (
    url !== null &&
    (url.protocol === 'https:' || isLocalOrigin(url.origin)) &&
    url.username + url.password === ''
  );
}
