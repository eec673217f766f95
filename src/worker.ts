import { waitUntil } from 'cloudflare:workers';

import { readConfig } from './config.ts';
import type { LogEntry, Platform } from './core/platform.ts';
import { createApp, createMisconfiguredApp } from './http/app.ts';
import { createServices } from './services.ts';

function log(entry: LogEntry): void {
  console[entry.level](JSON.stringify(entry));
}

const platform: Platform = {
  clock: () => Date.now(),
  random: (bytes) => crypto.getRandomValues(bytes),
  background: (work) => {
    waitUntil(
      work.catch((error: unknown) =>
        log({ level: 'warn', event: 'background_failed', error: String(error) }),
      ),
    );
  },
  sleep: (ms) => scheduler.wait(ms),
  log,
};

function createWorkerApp(env: Env) {
  const read = readConfig(env);
  return 'faults' in read
    ? createMisconfiguredApp(read.faults, log)
    : createApp(createServices(read.config, platform));
}

let app: ReturnType<typeof createWorkerApp> | undefined;

export default {
  fetch(request, env, context) {
    app ??= createWorkerApp(env);
    return app.fetch(request, env, context);
  },
} satisfies ExportedHandler<Env>;
