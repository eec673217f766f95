import { Hono } from 'hono';
import type { VerifierService } from 'mintmark/client';
import { mintmark } from 'mintmark/hono';

interface Bindings {
  readonly MINTMARK: VerifierService;
}

const app = new Hono<{ Bindings: Bindings }>();

/** For everyone. */
app.get('/', (c) => c.text('Files are under /api/, for who has an API key.\n'));

/** For whoever has a valid key. To change something it needs another scope than to read. */
app.use(
  '/api/*',
  mintmark<{ Bindings: Bindings }>({
    service: (c) => c.env.MINTMARK,
    scopes: (c) => [['GET', 'HEAD'].includes(c.req.method) ? 'files:read' : 'files:write'],
  }),
);

app.get('/api/me', (c) => c.json(c.var.mintmark));

app.get('/api/files/:name', (c) =>
  c.text(`${c.var.mintmark.name} may read ${c.req.param('name')}, if there were such a file.\n`),
);

app.put('/api/files/:name', (c) =>
  c.text(`${c.var.mintmark.name} may write ${c.req.param('name')}, if files were kept here.\n`),
);

export default app;
