import { createClient, type ClientOptions } from '../../../src/client/client.ts';

interface Bindings {
  readonly MINTMARK: Fetcher;
}

interface Call {
  readonly options: Omit<ClientOptions, 'service' | 'url'> & { readonly credential: string };
  /** The method, such as `['keys', 'get']`. */
  readonly path: readonly string[];
  readonly args: readonly unknown[];
}

/** Carries out what the test asks with a client over the binding, and tells what came back or was thrown. */
export default {
  async fetch(request, { MINTMARK }) {
    const { options, path, args } = await request.json<Call>();
    try {
      let owner: unknown;
      let member: unknown = createClient({ ...options, service: MINTMARK });
      for (const name of path) [owner, member] = [member, Reflect.get(Object(member), name)];
      if (typeof member !== 'function') return Response.json({ thrown: 'no such method' });
      return Response.json({ value: await Reflect.apply(member, owner, args) });
    } catch (error) {
      return Response.json({ thrown: String(error) });
    }
  },
} satisfies ExportedHandler<Bindings>;
