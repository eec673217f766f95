import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { promisify } from 'node:util';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { blocksOf } from './blocks.ts';
import { copyProject, freePort, leftoversIn, type ProjectCopy, type Run } from './project_copy.ts';

const README = readFileSync('README.md', 'utf8');
const GATE = readFileSync('.ci/run', 'utf8');
const TIMEOUT_MS = 60_000;

const blocks = (language: string): string[] => blocksOf(README, language);

/** What is run elsewhere, and where: by the gate, or by the test that starts or deploys a copy of the project. */
const RUN_ELSEWHERE: Record<string, () => boolean> = {
  'npm ci': () => GATE.includes('\nnpm ci\n'),
  'npm test': () => GATE.includes('\nnpm test\n'),
  'npm run check': () => GATE.includes('\nnpm run check\n'),
  'npm start': () => readFileSync('test/scripts/start.test.ts', 'utf8').includes("'start'"),
  'npm run deploy -- --dry-run': () =>
    readFileSync('test/scripts/deploy.test.ts', 'utf8').includes("['run', 'deploy', '--', '--dry-run']"),
};

const isRunElsewhere = (block: string): boolean =>
  block
    .trim()
    .split('\n')
    .every((line) => line in RUN_ELSEWHERE);

const walkthrough = blocks('sh').filter((block) => !isRunElsewhere(block));

/** The same shape and the same words, where what differs from run to run is left out: a put to KV may come in time or not. */
function masked(json: unknown): unknown {
  return JSON.parse(
    JSON.stringify(json, (key, value: unknown) =>
      ['created_at', 'exp', 'iat', 'nbf'].includes(key) && typeof value === 'number' && value > 1.5e9
        ? 'time'
        : typeof value === 'string'
          ? value
              .replace(/^(kv|d1)$/, 'kv or d1')
              .replace(/^(key|sa|evt)_[0-9A-Za-z]{24}(\.[0-9A-Za-z]{16})?$/, '$1_…')
              .replace(/^http:\/\/localhost:\d+$/, 'address')
              .replace(/^[0-9a-f-]{36}$/, 'request id')
              .replace(/^curl\/.*/, 'curl')
              .replace(/^(127\.0\.0\.1|::1)$/, 'loopback')
              .replace(/^mk_live_[0-9A-Za-z]{38}$/, 'secret')
              .replace(/^mk_live_[0-9A-Za-z]{4}$/, 'start')
              .replace(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, 'time')
          : value,
    ),
  );
}

const FINGERPRINT = /"fingerprint": ?("[0-9A-Za-z]{4}"|\{[^}]*\})/;

function comparable(text: string): unknown {
  return masked(
    JSON.parse(
      text.replace(FINGERPRINT, '"fingerprint":"last"').replace(/"ageSeconds": ?\d+/, '"ageSeconds":0'),
    ),
  );
}

describe('the README', () => {
  let project: ProjectCopy;
  let server: Run;
  let port: number;

  beforeAll(async () => {
    project = copyProject();
    port = await freePort();
    server = project.npm(['start', '--', '--port', String(port)]);
    await server.prints(/Mintmark is ready/, TIMEOUT_MS);
  }, TIMEOUT_MS);

  afterAll(async () => {
    process.kill(-server.pid, 'SIGINT');
    await server.ended;
    expect(await leftoversIn(project.directory)).toEqual([]);
    project.remove();
  }, TIMEOUT_MS);

  it('walks through a first key with commands that work, and shows what they answer', async () => {
    const end = '=== end of block ===';
    const script = walkthrough
      .map((block) => `${block}printf '\\n%s\\n' '${end}'\n`)
      .join('')
      .replace('http://localhost:8787', `http://localhost:${port}`);
    const { stdout, stderr } = await promisify(execFile)('sh', ['-euc', script], { cwd: project.directory });
    expect(stderr).toBe('');
    const answers = stdout
      .split(end)
      .map((text) => text.trim())
      .filter((text) => text !== '');
    expect(answers.map(comparable)).toEqual(blocks('json').map(comparable));
  });

  it('shows no secret twice as new', () => {
    const told = blocks('json').flatMap((block) => block.match(/mk_live_[0-9A-Za-z]{38}/g) ?? []);
    expect(told.length).toBeGreaterThan(4);
    expect(new Set(told).size).toBe(told.length);
  });

  it('shows no command that nothing runs', () => {
    for (const [command, isRun] of Object.entries(RUN_ELSEWHERE)) expect(isRun(), command).toBe(true);
    expect(walkthrough.length).toBeGreaterThan(3);
    for (const block of walkthrough) expect(block).toMatch(/curl|MINTMARK_URL=/);
    const scripts = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> };
    for (const [, name = ''] of README.matchAll(/npm (?:run )?(start|test|check|deploy|types|format)\b/g)) {
      expect(scripts.scripts, name).toHaveProperty(name);
    }
  });

  it('names folders that are there, and every one of them', () => {
    const named = [...README.matchAll(/^(src\/\w+)\//gm)].map(([, folder = '']) => folder);
    const folders = readdirSync('src', { withFileTypes: true }).filter((entry) => entry.isDirectory());
    expect(named.toSorted()).toEqual(folders.map(({ name }) => `src/${name}`).toSorted());
    for (const [, link = ''] of README.matchAll(/\]\(([^)#:]+)\)/g))
      expect(existsSync(link), link).toBe(true);
  });
});
