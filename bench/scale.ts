/** How cost, D1's size and the feed's load grow with keys and verifications: `npm run bench:scale -- --help`. */
import { writeFileSync } from 'node:fs';

import { readOptions, USAGE } from './scale/options.ts';
import { render } from './scale/render.ts';
import { report } from './scale/report.ts';

function optionsOrExit(): ReturnType<typeof readOptions> {
  try {
    return readOptions(process.argv.slice(2));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  }
}

const options = optionsOrExit();
if (options === null) {
  console.log(USAGE);
} else {
  const found = report(options);
  if (options.json !== null) writeFileSync(options.json, `${JSON.stringify(found, null, 2)}\n`);
  console.log(render(found).join('\n\n'));
}
