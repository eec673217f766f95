import { createRequire } from 'node:module';
import { dirname, resolve } from 'node:path';
import { parseArgs } from 'node:util';

/** Every wrangler runs here, as npm runs these scripts here, so relative paths mean one thing. */
export const PROJECT_ROOT = dirname(import.meta.dirname);

/** No telemetry, no network for `request.cf`, no banner, no log files. */
const QUIET = {
  WRANGLER_SEND_METRICS: 'false',
  CLOUDFLARE_CF_FETCH_ENABLED: 'false',
  WRANGLER_HIDE_BANNER: 'true',
  WRANGLER_WRITE_LOGS: 'false',
};

export function wranglerEnvironment(extra: Record<string, string> = {}): NodeJS.ProcessEnv {
  return { ...process.env, ...QUIET, ...extra };
}

/** The file that this Node runs as wrangler. */
export function wranglerPath(): string {
  const require = createRequire(import.meta.url);
  const manifest = require.resolve('wrangler/package.json');
  const { bin } = require(manifest) as { bin: { wrangler: string } };
  return resolve(dirname(manifest), bin.wrangler);
}

/** The options that several wrangler commands share. */
export interface SharedOptions {
  config: string | undefined;
  env: string | undefined;
  persistTo: string | undefined;
}

/** Finds them among arguments that are otherwise wrangler's own business. */
export function sharedOptions(args: readonly string[]): SharedOptions {
  const { values } = parseArgs({
    args: [...args],
    strict: false,
    options: {
      config: { type: 'string', short: 'c', multiple: true },
      env: { type: 'string', short: 'e' },
      'persist-to': { type: 'string' },
      persistTo: { type: 'string' },
    },
  });
  return {
    // Of several Workers run together, the first is the one served.
    config: text(values.config?.[0]),
    env: text(values.env),
    persistTo: text(values['persist-to'] ?? values.persistTo),
  };
}

/** A missing value is wrangler's to complain about; `-c=x` reaches parseArgs as `=x`. */
function text(value: string | boolean | undefined): string | undefined {
  return typeof value === 'string' ? value.replace(/^=/, '') : undefined;
}

/** The arguments that make another wrangler command mean the same Worker. */
export function sharedArgs({ config, env }: Pick<SharedOptions, 'config' | 'env'>): string[] {
  return [
    ...(config === undefined ? [] : ['--config', config]),
    ...(env === undefined ? [] : ['--env', env]),
  ];
}
