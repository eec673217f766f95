import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';

import { Problem } from './problem.ts';
import { exitCodeOf } from './process_group.ts';

/** Asks in the terminal without showing what is typed. */
export function askSecret(question: string): Promise<string> {
  process.stdout.write(question);
  // readline echoes to its output; in a terminal it also keeps the terminal itself from echoing.
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({
    input: process.stdin,
    output: nowhere,
    terminal: true,
    historySize: 0,
  });
  return new Promise<string>((resolve, reject) => {
    terminal.once('line', (line) => resolve(line.trim()));
    terminal.once('SIGINT', () => reject(new Problem('Stopped: no root key was set.', exitCodeOf('SIGINT'))));
    terminal.once('close', () => reject(new Problem('Stopped: no root key was set.')));
  }).finally(() => {
    terminal.close();
    process.stdout.write('\n');
  });
}
