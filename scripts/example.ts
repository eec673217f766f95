import { parseArgs } from 'node:util';

import { serveMintmark } from './mintmark.ts';
import { Problem } from './problem.ts';
import { serve } from './serve.ts';
import { untilEnded } from './until_ended.ts';

interface Ports {
  readonly example: string;
  readonly mintmark: string;
}

function portsIn(args: readonly string[]): Ports {
  try {
    const port = { type: 'string' } as const;
    const { values } = parseArgs({ args: [...args], options: { port, 'mintmark-port': port } });
    return { example: values.port ?? '8788', mintmark: values['mintmark-port'] ?? '8787' };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Problem(`${reason}\nnpm run example takes --port and --mintmark-port, after a --.`);
  }
}

const welcome = (address: string): string => `
The example is ready: ${address}

Paste block 1 above, which makes a key that may read files, into another shell. Then, in the same shell:

curl -i ${address}/api/me -H "Authorization: Bearer $SECRET"
`;

/** wrangler finds one Worker's bindings to another by their names, once both are served. */
const serveExample = (port: string): Promise<number> =>
  serve(
    'the example',
    ['--config', 'examples/worker/wrangler.toml', '--port', port],
    'npm run example -- --port 8789',
    (address) => process.stdout.write(welcome(address)),
  );

/** Mintmark, and once it is ready the protected Worker, each as `wrangler dev` serves it; when one ends, both do. */
async function example(args: readonly string[]): Promise<number> {
  const ports = portsIn(args);
  const { promise: ready, resolve } = Promise.withResolvers<void>();
  const another = 'npm run example -- --mintmark-port 8786';
  return Promise.race([
    serveMintmark(['--port', ports.mintmark], another, resolve),
    ready.then(() => serveExample(ports.example)),
  ]);
}

await untilEnded(() => example(process.argv.slice(2)));
