import { execFile } from 'node:child_process';

/** Runs the simulator in a process of its own, as `npm run simulate` does. */
export function simulate(...flags: readonly string[]): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, ['test/faults/simulate.ts', ...flags], (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), output: stdout + stderr });
    });
  });
}
