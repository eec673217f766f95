import { reportProblem } from './problem.ts';
import { endGroups, exitCodeOf } from './process_group.ts';

const PARENT_POLL_MS = 250;

/** Works until the work ends or somebody asks this process to; then ends all that it started, and itself. */
export async function untilEnded(work: () => Promise<number>): Promise<never> {
  const code = await Promise.race([askedToEnd(), work()]).catch(reportProblem);
  await endGroups();
  process.exit(code);
}

/** Resolves to an exit code once this process should end: by a signal, or with whoever started it. */
function askedToEnd(): Promise<number> {
  return new Promise((end) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.on(signal, () => end(exitCodeOf(signal)));
    // Nobody reads any more (`npm start | head`).
    process.stdout.on('error', () => end(exitCodeOf('SIGPIPE')));
    // A killed npm tells nobody; the process it started gets another parent.
    const parent = process.ppid;
    setInterval(() => process.ppid !== parent && end(exitCodeOf('SIGHUP')), PARENT_POLL_MS).unref();
  });
}
