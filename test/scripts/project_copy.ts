import { spawn } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const CHECKOUT = dirname(dirname(import.meta.dirname));
const COPIED = [
  'README.md',
  'examples',
  'migrations',
  'package.json',
  'scripts',
  'src',
  'tsconfig.json',
  'tsconfig.package.json',
  'wrangler.toml',
];
const POLL_MS = 50;

/** A copy of the project, so that a checkout's own `.dev.vars` and data are out of reach. */
export interface ProjectCopy {
  directory: string;
  /** Runs one of package.json's scripts through npm, as the leader of a process group. */
  npm: (args: readonly string[], env?: Record<string, string>) => Run;
  remove: () => void;
}

export interface Run {
  pid: number;
  output: () => string;
  /** Resolves when the output matches; rejects with the output when the process ends or time is up. */
  prints: (pattern: RegExp, timeoutMs?: number) => Promise<void>;
  ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

export function copyProject({ withDependencies = true } = {}): ProjectCopy {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'mintmark-')));
  for (const name of COPIED) {
    if (existsSync(join(CHECKOUT, name)))
      cpSync(join(CHECKOUT, name), join(directory, name), { recursive: true });
  }
  if (withDependencies)
    symlinkSync(realpathSync(join(CHECKOUT, 'node_modules')), join(directory, 'node_modules'));
  return {
    directory,
    npm: (args, env = {}) => run('npm', args, directory, env),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

export function run(
  command: string,
  args: readonly string[],
  cwd: string,
  env: Record<string, string> = {},
): Run {
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, ...env },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const { pid } = child;
  if (pid === undefined) throw new Error(`${command} did not start`);
  let output = '';
  child.stdout.on('data', (chunk) => (output += String(chunk)));
  child.stderr.on('data', (chunk) => (output += String(chunk)));
  let hasEnded = false;
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once('close', (code, signal) => {
      hasEnded = true;
      resolve({ code, signal });
    });
  });
  return {
    pid,
    output: () => output,
    ended,
    async prints(pattern, timeoutMs = 20_000) {
      const deadline = Date.now() + timeoutMs;
      while (!pattern.test(output)) {
        if (hasEnded || Date.now() > deadline) throw new Error(`no ${String(pattern)} in:\n${output}`);
        await sleep(POLL_MS);
      }
    },
  };
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as AddressInfo;
  await new Promise((closed) => server.close(closed));
  return port;
}

export function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

/** The command lines of all processes that run in the directory; none can be found where there is no /proc. */
export function processesIn(directory: string): string[] {
  if (!existsSync('/proc/self/cwd')) return [];
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .flatMap((pid) => {
      try {
        const commandLine = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
        return readlinkSync(`/proc/${pid}/cwd`).startsWith(directory) ? [`${pid} ${commandLine}`] : [];
      } catch {
        // It ended while we looked, or is another user's.
        return [];
      }
    });
}

/** Waits until no process runs in the directory any more, and returns those that still do when time is up. */
export async function leftoversIn(directory: string, timeoutMs = 10_000): Promise<string[]> {
  const deadline = Date.now() + timeoutMs;
  while (processesIn(directory).length > 0 && Date.now() < deadline) await sleep(POLL_MS);
  return processesIn(directory);
}
