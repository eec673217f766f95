import type { Code, Modules } from '../bundle.ts';
import { bindingsOf, worker } from '../mintmark.ts';
import type { StartUp } from '../report.ts';
import { median } from '../statistics.ts';
import { startWorkerd } from '../workerd.ts';

/** So many are started at once, since what one takes is not much more than the clock of the CPU tells apart. */
const ISOLATES = 20;

/** What an isolate uses of the CPU from its start to its first answer, with Mintmark in it and with a bare Worker, in turn. */
export async function measureStartUp({ mintmark, bare }: Code, rounds: number): Promise<StartUp> {
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < rounds; round++) {
    ours.push(await startMany(mintmark, { path: '/v1/whoami', status: 401 }));
    theirs.push(await startMany(bare, { path: '/', status: 204 }));
  }
  const beyond = ours.map((ms, round) => ms - (theirs[round] ?? Number.NaN));
  return {
    isolates: ISOLATES,
    cpuMs: median(ours),
    bareCpuMs: median(theirs),
    beyondMs: median(beyond),
    spread: [Math.min(...beyond), Math.max(...beyond)],
  };
}

/** Milliseconds for each isolate, with its share of the process's own start. */
async function startMany(code: Modules, call: { path: string; status: number }): Promise<number> {
  const names = Array.from({ length: ISOLATES }, (_, index) => `isolate${index}`);
  await using workerd = await startWorkerd(names.map((name) => worker(name, code, bindingsOf('start'))));
  for (const name of names) {
    const { status } = await fetch((await workerd.urlOf(name)) + call.path);
    if (status !== call.status) throw new Error(`${call.path}: ${status}`);
  }
  // Before it ends.
  return (await workerd.cpuMs()) / ISOLATES;
}
