/**
 * Parses the JSON of a minting, and inserts one row of the size of a key's. At a path of its own it writes all that a minting
 * leaves behind: a row for the key and one for the event by one batch, and, when it has answered, a value in KV.
 */
export default {
  async fetch(request, { DB, CACHE }, context) {
    const { name } = await request.json<{ name: string }>();
    const insert = () =>
      DB.prepare('INSERT INTO bench (id, name, rest) VALUES (?, ?, ?)').bind(crypto.randomUUID(), name, REST);
    if (new URL(request.url).pathname === ALL) {
      await DB.batch([insert(), insert()]);
      context.waitUntil(CACHE.put(crypto.randomUUID(), REST + REST));
    } else await insert().run();
    return new Response(null, { status: 201 });
  },
} satisfies ExportedHandler<{ DB: D1Database; CACHE: KVNamespace }>;

const REST = 'x'.repeat(400);
const ALL = '/all';
