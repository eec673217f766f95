import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

import { afterAll, beforeAll, expect, it } from 'vitest';

import { blocksOf } from './blocks.ts';
import { copyProject, freePort, leftoversIn, type ProjectCopy, type Run } from './project_copy.ts';

const PATH = 'examples/worker/README.md';
const README = readFileSync(PATH, 'utf8');
const TIMEOUT_MS = 60_000;
/** What this file runs itself, and what `npm test` runs. */
const RUN_ELSEWHERE = ['npm run example\n', 'npx vitest run examples/worker\n'];

let project: ProjectCopy;
let example: Run;
let ports: { mintmark: number; example: number };

beforeAll(async () => {
  project = copyProject();
  ports = { mintmark: await freePort(), example: await freePort() };
  const options = ['--port', String(ports.example), '--mintmark-port', String(ports.mintmark)];
  // Another Mintmark that is being served on this machine is not to be found by its name.
  const registry = { WRANGLER_REGISTRY_PATH: join(project.directory, 'registry') };
  example = project.npm(['run', 'example', '--', ...options], registry);
  await example.prints(/The example is ready/, TIMEOUT_MS);
}, TIMEOUT_MS);

afterAll(async () => {
  process.kill(-example.pid, 'SIGINT');
  await example.ended;
  expect(await leftoversIn(project.directory), 'Ctrl-C ends both').toEqual([]);
  project.remove();
}, TIMEOUT_MS);

it(
  'its README walks through it with commands that work, and shows what they answer',
  async () => {
    const commands = blocksOf(README, 'sh').filter((block) => !RUN_ELSEWHERE.includes(block));
    expect(commands.length).toBe(blocksOf(README, 'sh').length - RUN_ELSEWHERE.length);
    const script = commands
      .join('')
      .replace('http://localhost:8787', `http://localhost:${ports.mintmark}`)
      .replace('http://localhost:8788', `http://localhost:${ports.example}`);
    const { stdout, stderr } = await promisify(execFile)('sh', ['-euc', script], { cwd: project.directory });
    expect(stderr).toBe('');
    expect(stdout).toBe(blocksOf(README, '').join(''));
  },
  TIMEOUT_MS,
);

it('its README’s links lead somewhere', () => {
  const links = [...README.matchAll(/\]\(([^)#:]+)\)/g)].map(([, link = '']) => join(dirname(PATH), link));
  expect(links.length).toBeGreaterThan(2);
  for (const link of links) expect(existsSync(link), link).toBe(true);
});
