/** How cost, D1's size and the feed's load grow with keys and verifications: `npm run bench:scale -- --help`. */
import { writeFileSync } from 'node:fs';

import { reportProblem } from '../scripts/problem.ts';
import { readOptions, USAGE } from './scale/options.ts';
import { render } from './scale/render.ts';
import { report } from './scale/report.ts';

function main(): number {
  const options = readOptions(process.argv.slice(2));
  if (options === null) {
    console.log(USAGE);
    return 0;
  }
  const found = report(options);
  if (options.json !== null) writeFileSync(options.json, `${JSON.stringify(found, null, 2)}\n`);
  console.log(render(found).join('\n\n'));
  return 0;
}

try {
  process.exitCode = main();
} catch (error) {
  process.exitCode = reportProblem(error);
}
