import type { Code } from '../bundle.ts';
import { bindingsOf, worker } from '../mintmark.ts';
import type { StartUp } from '../report.ts';
import { median } from '../statistics.ts';
import { startWorkerd } from '../workerd.ts';

/** What workerd uses of the CPU from its start to the first answer, with Mintmark in it and with a bare Worker, in turn. */
export async function measureStartUp({ mintmark, bare }: Code, rounds: number): Promise<StartUp> {
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < rounds; round++) {
    ours.push(await startOnce(mintmark, '/health'));
    theirs.push(await startOnce(bare, '/'));
  }
  const beyond = ours.map((ms, round) => ms - (theirs[round] ?? Number.NaN));
  return {
    cpuMs: median(ours),
    bareCpuMs: median(theirs),
    beyondMs: median(beyond),
    spread: [Math.min(...beyond), Math.max(...beyond)],
  };
}

async function startOnce(code: string, path: string): Promise<number> {
  await using workerd = await startWorkerd([worker('one', code, bindingsOf('start'))]);
  await fetch((await workerd.urlOf('one')) + path);
  // Before it ends.
  return await workerd.cpuMs();
}
