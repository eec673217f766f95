import { secureHeaders, NONCE } from 'hono/secure-headers';
import type { SecureHeadersVariables } from 'hono/secure-headers';
import { Hono } from 'hono/tiny';

import { VERSION } from '../version.ts';
import type { AppEnv } from './env.ts';
import { noQuery } from './input.ts';

/** What a page of ours may do: show itself, run the viewer that this Worker serves, and read the document. */
const security = secureHeaders({
  // Whether its domain, and all below it, speaks HTTPS alone is for whoever deploys to say.
  strictTransportSecurity: false,
  contentSecurityPolicy: {
    defaultSrc: ["'none'"],
    scriptSrc: ["'self'", NONCE],
    styleSrc: ["'self'"],
    imgSrc: ["'self'", 'data:'],
    connectSrc: ["'self'"],
    baseUri: ["'none'"],
    formAction: ["'none'"],
    frameAncestors: ["'none'"],
  },
});

async function writeDocument(): Promise<string> {
  const { createDocument } = await import('../openapi/document.ts');
  return JSON.stringify(createDocument(VERSION));
}

/** `/openapi.json`, made on the first call for it, so that no start-up pays for it. */
export function openapi() {
  let written: string | undefined;
  return new Hono<AppEnv>().get('/', noQuery, async (c) => {
    written ??= await writeDocument();
    return c.body(written, 200, { 'Content-Type': 'application/json' });
  });
}

/** `/docs`: the page around the viewer, whose files `scripts/viewer.ts` puts among the Worker's static assets. */
export function docs() {
  return new Hono<{ Variables: AppEnv['Variables'] & SecureHeadersVariables }>().get(
    '/',
    security,
    noQuery,
    (c) => c.html(page(c.get('secureHeadersNonce') ?? '')),
  );
}

/** It shows, and neither calls nor asks for a credential, which has no place in a browser. */
const page = (nonce: string): string => `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Mintmark API</title>
    <link rel="icon" href="data:,">
    <link rel="stylesheet" href="/docs/viewer.css">
  </head>
  <body>
    <div id="viewer"></div>
    <noscript>This page needs JavaScript; what it shows is <a href="/openapi.json">/openapi.json</a>.</noscript>
    <script src="/docs/viewer.js"></script>
    <script nonce="${nonce}">
      const hidden = () => () => null;
      SwaggerUIBundle({
        url: '/openapi.json',
        dom_id: '#viewer',
        deepLinking: true,
        docExpansion: 'list',
        supportedSubmitMethods: [],
        validatorUrl: null,
        plugins: [{ wrapComponents: { authorizeBtn: hidden, authorizeOperationBtn: hidden } }],
      });
    </script>
  </body>
</html>
`;
