import { parseArgs } from 'node:util';

import { serveMintmark } from './mintmark.ts';
import { serve } from './serve.ts';
import { untilEnded } from './until_ended.ts';

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '8788' },
    'mintmark-port': { type: 'string', default: '8787' },
  },
});

const welcome = (address: string): string => `
The example is ready: ${address}

Paste block 1 above, which makes a key that may read files, into another shell. Then, in the same shell:

curl -i ${address}/api/me -H "Authorization: Bearer $SECRET"
`;

/** wrangler finds one Worker's bindings to another by their names, once both are served. */
const serveExample = (): Promise<number> =>
  serve(
    'the example',
    ['--config', 'examples/worker/wrangler.toml', '--port', values.port],
    'npm run example -- --port 8789',
    (address) => process.stdout.write(welcome(address)),
  );

/** Mintmark, and once it is ready the protected Worker, each as `wrangler dev` serves it; when one ends, both do. */
await untilEnded(
  () =>
    new Promise((resolve, reject) => {
      const mintmark = serveMintmark(
        ['--port', values['mintmark-port']],
        'npm run example -- --mintmark-port 8786',
        () => {
          serveExample().then(resolve, reject);
        },
      );
      mintmark.then(resolve, reject);
    }),
);
