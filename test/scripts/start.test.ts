import { spawn } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { firstKeyBlocks, type Block } from '../../scripts/first_key.ts';
import {
  copyProject,
  freePort,
  isListening,
  leftoversIn,
  processesIn,
  type ProjectCopy,
  type Run,
} from './project_copy.ts';

/** wrangler and workerd start in three to four seconds where nothing else runs. */
const TIMEOUT_MS = 40_000;
const READY = /Revoke it and verify again[\s\S]*echo\n[\s\S]*echo\n/;

/** Feeds the text to a shell as a paste does, and returns all that it printed. */
async function paste(shell: string, blocks: readonly Block[]): Promise<string> {
  const child = spawn(shell, { cwd: '/', stdio: ['pipe', 'pipe', 'pipe'] });
  child.stdin.end(`${blocks.map(({ commands }) => commands).join('\n')}\n`);
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr)]);
  expect(errors).toBe('');
  return output;
}

function rootKeyIn(output: string): string {
  return /Root key \(kept in \.dev\.vars\): (\S+)/.exec(output)?.[1] ?? '';
}

describe('npm start', { timeout: TIMEOUT_MS }, () => {
  let project: ProjectCopy;
  let port: number;
  let address: string;
  let rootKey: string;
  let server: Run;

  const start = async (...args: string[]) => {
    server = project.npm(['start', '--', '--port', String(port), ...args]);
    await server.prints(READY);
  };
  const accountIds = async () => {
    const response = await fetch(`${address}/v1/service-accounts`, {
      headers: { Authorization: `Bearer ${rootKey}` },
    });
    const { data } = (await response.json()) as { data: { id: string }[] };
    return data.map(({ id }) => id);
  };
  const expectNothingLeft = async () => {
    expect(await leftoversIn(project.directory)).toEqual([]);
    expect(await isListening(port)).toBe(false);
  };

  beforeAll(async () => {
    project = copyProject();
    port = await freePort();
    address = `http://localhost:${port}`;
    await start('--persist-to', 'data');
    rootKey = rootKeyIn(server.output());
  }, TIMEOUT_MS);

  afterAll(async () => {
    for (const left of processesIn(project.directory)) process.kill(Number.parseInt(left, 10), 'SIGKILL');
    await leftoversIn(project.directory);
    project.remove();
  });

  it('makes a root key and a signing key, for its owner alone, and prints the first', () => {
    expect(rootKey).toMatch(/^[\w-]{43}$/);
    const written = readFileSync(join(project.directory, '.dev.vars'), 'utf8');
    const [, jwk = ''] = /^MINTMARK_ROOT_KEY=.{43}\nMINTMARK_SIGNING_KEY='(.*)'\n$/.exec(written) ?? [];
    expect(written).toContain(`MINTMARK_ROOT_KEY=${rootKey}\n`);
    const { d } = JSON.parse(jwk);
    expect(d).toMatch(/^[\w-]{43}$/);
    expect(server.output()).not.toContain(d);
    expect(statSync(join(project.directory, '.dev.vars')).mode & 0o777).toBe(0o600);
  });

  it('serves what says in the contract’s words what is wrong', async () => {
    const response = await fetch(`${address}/v1/service-accounts`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${rootKey}`, 'Content-Type': 'application/json' },
      body: '{}',
    });
    expect(await response.json()).toMatchObject({ errors: [{ path: 'name', message: 'is required' }] });
  });

  it('prints three blocks for the address that it serves', () => {
    for (const { title, commands } of firstKeyBlocks(address, rootKey)) {
      expect(server.output()).toContain(`${title}\n\n${commands}\n`);
    }
  });

  it('keeps its data where --persist-to says', () => {
    expect(readdirSync(join(project.directory, 'data'))).not.toEqual([]);
    expect(existsSync(join(project.directory, '.wrangler', 'state'))).toBe(false);
  });

  it('the blocks work as printed, again and again, in two shells at once', async () => {
    const blocks = firstKeyBlocks(address, rootKey);
    const outputs = await Promise.all(['sh', 'bash'].map((shell) => paste(shell, [...blocks, ...blocks])));
    for (const output of outputs) {
      expect(output.match(/"code":"\w+"/g), output).toEqual([
        '"code":"VALID"',
        '"code":"REVOKED"',
        '"code":"VALID"',
        '"code":"REVOKED"',
      ]);
      expect(new Set(output.match(/^secret: mk_live_\S+$/gm)).size).toBe(2);
      expect(new Set(output.match(/^key id: key_\S+$/gm)).size).toBe(2);
    }
  });

  it('a failed call shows its answer', async () => {
    expect(await paste('sh', firstKeyBlocks(address, "it's not the root key").slice(0, 1))).toContain(
      '"status":401',
    );
  });

  it('Ctrl-C ends it all; started again, its data and root key are there', async () => {
    const before = await accountIds();
    expect(before).not.toEqual([]);
    process.kill(-server.pid, 'SIGINT');
    expect((await server.ended).code).toBe(130);
    await expectNothingLeft();

    await start('--persist-to=data');
    expect(rootKeyIn(server.output())).toBe(rootKey);
    expect(await accountIds()).toEqual(before);
  });

  it('SIGTERM to npm alone ends it all', async () => {
    process.kill(server.pid, 'SIGTERM');
    expect((await server.ended).code).toBe(143);
    await expectNothingLeft();
  });

  it('SIGKILL to npm alone ends it all', async () => {
    await start();
    process.kill(server.pid, 'SIGKILL');
    await server.ended;
    await expectNothingLeft();
  });

  it('a wrangler that dies is reported, and nothing of it is left', async () => {
    await start();
    for (const found of processesIn(project.directory)) {
      if (/wrangler-dist\/cli\.js/.test(found)) process.kill(Number.parseInt(found, 10), 'SIGKILL');
    }
    expect((await server.ended).code).not.toBe(0);
    expect(server.output()).toContain('wrangler ended by itself');
    await expectNothingLeft();
  });
});

describe("npm start says in a paragraph why it can't", { timeout: TIMEOUT_MS }, () => {
  let project: ProjectCopy;

  beforeAll(() => {
    project = copyProject();
  });
  afterAll(() => project.remove());

  it('when the port is taken', async () => {
    const taken: Server = createServer();
    const port = await freePort();
    await new Promise<void>((listening) => taken.listen(port, '127.0.0.1', listening));
    const server = project.npm(['start', '--', '--port', String(port)]);
    expect((await server.ended).code).not.toBe(0);
    expect(server.output()).toContain('The port is taken.');
    taken.close();
    expect(await leftoversIn(project.directory)).toEqual([]);
  });

  it('when a setting is wrong', async () => {
    const devVars = join(project.directory, '.dev.vars');
    writeFileSync(devVars, 'OIDC_ISSUER=https://login.example\n');
    const port = await freePort();
    const server = project.npm(['start', '--', '--port', String(port)]);
    await server.prints(/refuses every call until its settings are mended/, TIMEOUT_MS);
    expect(server.output()).toContain('\n  OIDC_AUDIENCE is required\n');
    expect(server.output()).not.toContain('Mintmark is ready');
    process.kill(-server.pid, 'SIGINT');
    await server.ended;
    rmSync(devVars);
    expect(await leftoversIn(project.directory)).toEqual([]);
  });

  it('when a migration fails', async () => {
    appendFileSync(join(project.directory, 'migrations', '9999_broken.sql'), 'CREATE nonsense;');
    const server = project.npm(['start']);
    expect((await server.ended).code).not.toBe(0);
    expect(server.output()).toContain('9999_broken.sql');
    expect(server.output()).toContain('nothing was started');
  });

  it('when the dependencies are not installed', async () => {
    const bare = copyProject({ withDependencies: false });
    const server = bare.npm(['start']);
    expect((await server.ended).code).toBe(1);
    expect(server.output()).toContain('The dependencies are not installed. Run npm ci, then try again.');
    expect(existsSync(join(bare.directory, '.dev.vars'))).toBe(false);
    bare.remove();
  });
});
