import type { CredentialHeaders } from '../contract/credential.ts';
import type { Origin } from '../core/audit.ts';
import type { Caller, Principal } from '../core/caller.ts';
import type { Platform } from '../core/platform.ts';
import type { RefusalWriter } from './refusal_writer.ts';

/** What handlers find on the context. */
export interface AppEnv {
  Variables: {
    origin: Origin;
    log: Platform['log'];
    /** For refused credentials, which may come in floods. */
    logRefused: Platform['log'];
    after: Platform['after'];
    /** The body, where `readBody` has read it. */
    json: unknown;
    /** Headers beside the contract's, or a format's, that carry a credential. */
    moreCarriers: CredentialHeaders;
    /** How refusals are written: as the contract has it, unless the path speaks otherwise. */
    writeRefusal: RefusalWriter;
  };
}

/** After `manage`: who was judged on D1's primary. */
export interface ManagementEnv {
  Variables: AppEnv['Variables'] & { caller: Caller };
}

/** After `identify`: who was judged as any key is. */
export interface PrincipalEnv {
  Variables: AppEnv['Variables'] & { principal: Principal; judgedAt: number };
}
