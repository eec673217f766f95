/** Something a person can put right: its message is printed alone, without a stack. */
export class Problem extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Prints what went wrong and returns the exit code for it. */
export function reportProblem(error: unknown): number {
  if (!(error instanceof Problem)) throw error;
  console.error(`\n${error.message}`);
  return error.exitCode;
}
