/**
 * Parses the JSON of a minting, and inserts one row of the size of a key's. At a path of its own it puts a value of the size of
 * a key's record into KV as well, when it has answered.
 */
export default {
  async fetch(request, { DB, CACHE }, context) {
    const { name } = await request.json<{ name: string }>();
    const id = crypto.randomUUID();
    await DB.prepare('INSERT INTO bench (id, name, rest) VALUES (?, ?, ?)').bind(id, name, REST).run();
    if (new URL(request.url).pathname === WITH_KV) context.waitUntil(CACHE.put(id, REST + REST));
    return new Response(null, { status: 201 });
  },
} satisfies ExportedHandler<{ DB: D1Database; CACHE: KVNamespace }>;

const REST = 'x'.repeat(400);
const WITH_KV = '/with-kv';
