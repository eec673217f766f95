import { WorkerEntrypoint } from 'cloudflare:workers';

import type { VerifyInput } from '../../../src/rpc/verification.ts';
import type { Verifier as Mintmark } from '../../../src/worker.ts';

interface Bindings {
  readonly MINE: Service<typeof Mintmark>;
  readonly EVERY: Service<typeof Mintmark>;
}

const calls: VerifyInput[] = [];

/** Notes what it is asked, and answers what Mintmark answers over the binding of that name. */
export class Verifier extends WorkerEntrypoint<Bindings, { of: keyof Bindings }> {
  async verify(request: VerifyInput): Promise<unknown> {
    calls.push(request);
    return this.env[this.ctx.props.of].verify(request);
  }
}

/** Tells what was asked. */
export default {
  fetch: () => Response.json(calls),
} satisfies ExportedHandler;
