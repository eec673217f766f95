/** Parses the JSON of a minting, and inserts one row of the size of a key's. */
export default {
  async fetch(request, { DB }) {
    const { name } = await request.json<{ name: string }>();
    await DB.prepare('INSERT INTO bench (id, name, rest) VALUES (?, ?, ?)')
      .bind(crypto.randomUUID(), name, REST)
      .run();
    return new Response(null, { status: 201 });
  },
} satisfies ExportedHandler<{ DB: D1Database }>;

const REST = 'x'.repeat(400);
