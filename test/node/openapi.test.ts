import { spawn } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestHarness } from 'wrangler';

import { createDocument } from '../../src/openapi/document.ts';

/** `client/drive.ts.txt`, which is TypeScript once its client is generated beside it. */
interface Driver {
  readonly drive: (serverUrl: string, rootKey: string) => Promise<string[]>;
}

const ROOT_KEY = 'openapi-test-root-key-0123456789-abcdefgh';
const require = createRequire(import.meta.url);

/** Runs a package's command with this Node, offline and quiet, and returns how it ended and what it said. */
async function run(cwd: string, name: string, bin: string, args: readonly string[]) {
  const command = resolve(dirname(require.resolve(`${name}/package.json`)), bin);
  const child = spawn(process.execPath, [command, ...args], {
    cwd,
    env: { ...process.env, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<number | null>((done) => void child.once('close', done));
  const [code, output, errors] = await Promise.all([ended, text(child.stdout), text(child.stderr)]);
  return { code, output: output + errors };
}

const redocly = (cwd: string, ...args: readonly string[]) => run(cwd, '@redocly/cli', 'bin/cli.js', args);

let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'mintmark-openapi-'));
  writeFileSync(join(directory, 'openapi.json'), JSON.stringify(createDocument('0.0.0')));
});
afterAll(() => rmSync(directory, { recursive: true }));

it('a public linter has nothing against the document', async () => {
  const rules = ['--extends', 'recommended', '--format', 'json'];
  const { code, output } = await redocly(directory, 'lint', 'openapi.json', ...rules);
  expect(code, output).toBe(0);
  expect(output).toContain('"problems": []');
});

describe('with the Worker as wrangler serves it', () => {
  const harness = createTestHarness({
    workers: [{ configPath: 'wrangler.toml', secrets: { MINTMARK_ROOT_KEY: ROOT_KEY } }],
  });
  let address: string;

  beforeAll(async () => {
    const { url } = await harness.listen();
    address = String(url).replace(/\/$/, '');
    await harness.getWorker<{ DB: D1Database }>('mintmark').applyD1Migrations('DB');
  });
  afterAll(() => harness.close());

  it.for([
    ['/docs/viewer.js', 'text/javascript'],
    ['/docs/viewer.css', 'text/css'],
  ])('%s is a static asset', async ([path, mediaType]) => {
    const response = await fetch(address + path);
    expect(response.status).toBe(200);
    expect(response.headers.get('Content-Type')).toContain(mediaType);
    expect(response.headers.get('X-Content-Type-Options')).toBe('nosniff');
    expect((await response.text()).length).toBeGreaterThan(10_000);
  });

  it('a client generated from the document is well typed, and mints, verifies, rotates and revokes', async () => {
    const served = await (await fetch(`${address}/openapi.json`)).text();
    writeFileSync(join(directory, 'served.json'), served);
    const options = ['--error-mode', 'result', '--import-ext', 'ts'];
    const generated = await redocly(
      directory,
      'generate-client',
      'served.json',
      '-o',
      'client.ts',
      ...options,
    );
    expect(generated.code, generated.output).toBe(0);

    copyFileSync(join(import.meta.dirname, 'client', 'drive.ts.txt'), join(directory, 'drive.ts'));
    copyFileSync(join(import.meta.dirname, 'client', 'tsconfig.json'), join(directory, 'tsconfig.json'));
    const checked = await run(directory, 'typescript', 'bin/tsc', ['-p', '.']);
    expect(checked, checked.output).toEqual({ code: 0, output: '' });

    const url = pathToFileURL(join(directory, 'drive.ts')).href;
    const { drive } = (await import(/* @vite-ignore */ url)) as Driver;
    expect(await drive(address, ROOT_KEY)).toEqual(['VALID', 'VALID', 'VALID', 'REVOKED', 'REVOKED']);
  });
});
