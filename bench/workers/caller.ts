import type { Empty } from './bare.ts';

/** Which call is made how often, one after the other. */
export interface Calls {
  readonly call: 'verify' | 'empty' | 'constant';
  readonly times: number;
  readonly key: string;
}

interface Env {
  readonly MINTMARK: { verify(request: object): Promise<{ valid?: boolean }> };
  readonly BARE: Service<Empty>;
}

/** Calls other Workers over bindings. */
export default {
  async fetch(request, { MINTMARK, BARE }) {
    const { call, times, key } = await request.json<Calls>();
    for (let done = 0; done < times; done++) {
      if (call === 'empty') await BARE.empty();
      else if (call === 'constant') await BARE.constant({ key, scopes: ['files:read'] });
      else {
        const { valid = false } = await MINTMARK.verify({ key, scopes: ['files:read'] });
        if (!valid) return new Response(null, { status: 500 });
      }
    }
    return new Response(null, { status: 204 });
  },
} satisfies ExportedHandler<Env>;
