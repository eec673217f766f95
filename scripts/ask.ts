import { createInterface } from 'node:readline';

import { Problem } from './problem.ts';
import { exitCodeOf } from './process_group.ts';

interface Terminal {
  input: NodeJS.ReadableStream;
  output: NodeJS.WritableStream;
}

/** Asks in the terminal; whatever is not yes is no. `stopped` is what to say when there is no answer. */
export function confirm(
  question: string,
  stopped: string,
  { input, output }: Terminal = { input: process.stdin, output: process.stdout },
): Promise<boolean> {
  const terminal = createInterface({ input, output });
  return new Promise<boolean>((resolve, reject) => {
    terminal.question(question, (answer) => resolve(/^y(es)?$/i.test(answer.trim())));
    terminal.once('SIGINT', () => reject(new Problem(stopped, exitCodeOf('SIGINT'))));
    terminal.once('close', () => reject(new Problem(stopped)));
  }).finally(() => terminal.close());
}
