import { Misconfigured } from '../core/faults.ts';
import { isLocalOrigin } from '../core/issuer.ts';

/** The identifier of this deployment as an issuer (RFC 8414 §2), at the address that a call came by. */
export type IssuerOf = (url: string) => string;

/** `configured` null: on this machine it is the address; elsewhere whoever calls would choose it, so there is none. */
export function issuerBy(configured: string | null): IssuerOf {
  return (url) => {
    const issuer = knownIssuer(configured, url);
    if (issuer === null) throw new Misconfigured('MINTMARK_ISSUER', 'is required off localhost');
    return issuer;
  };
}

/** The same where it may be left out. */
export function knownIssuer(configured: string | null, url: string): string | null {
  const { origin } = new URL(url);
  return configured ?? (isLocalOrigin(origin) ? origin : null);
}
