import { join } from 'node:path';

import { bundleWorker } from './bundle.ts';
import { replaceFiles } from './replace_files.ts';
import { viewerAssets } from './viewer.ts';
import { PROJECT_ROOT } from './wrangler.ts';

/** The types of what is built are those of its source. */
const TYPES = `export * from '../../src/worker.ts';
export { default } from '../../src/worker.ts';
`;

// What wrangler serves and uploads; it runs this before (`[build]` in wrangler.toml).
const built = join(PROJECT_ROOT, '.wrangler');
const { files } = await bundleWorker();
replaceFiles(join(built, 'worker'), new Map<string, Uint8Array | string>([...files, ['worker.d.ts', TYPES]]));
replaceFiles(join(built, 'assets'), viewerAssets());
