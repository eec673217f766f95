import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** Files of the package that npm installed, by the names that the page at /docs asks for. */
const FILES = { 'docs/viewer.js': 'swagger-ui-bundle.js', 'docs/viewer.css': 'swagger-ui.css' };

const HEADERS = `/docs/*
  X-Content-Type-Options: nosniff
  Cross-Origin-Resource-Policy: same-origin
`;

/** The viewer of /docs, as the Worker's static assets. */
export function viewerAssets(): Map<string, Uint8Array | string> {
  const viewer = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));
  const files = Object.entries(FILES).map(
    ([name, source]) => [name, readFileSync(join(viewer, source))] as const,
  );
  return new Map<string, Uint8Array | string>([...files, ['_headers', HEADERS]]);
}
