import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** The viewer's files, by the names that the page at /docs asks for. */
const FILES = { 'viewer.js': 'swagger-ui-bundle.js', 'viewer.css': 'swagger-ui.css' };

const HEADERS = `/docs/*
  X-Content-Type-Options: nosniff
  Cross-Origin-Resource-Policy: same-origin
`;

/**
 * Puts the viewer of /docs among the Worker's static assets, out of the package that npm installed. wrangler runs this
 * before it serves or uploads (`[build]` in wrangler.toml).
 */
const assets = join(dirname(import.meta.dirname), '.wrangler', 'assets');
const viewer = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));
mkdirSync(join(assets, 'docs'), { recursive: true });
for (const [name, source] of Object.entries(FILES))
  copyFileSync(join(viewer, source), join(assets, 'docs', name));
writeFileSync(join(assets, '_headers'), HEADERS);
