import { serveMintmark } from './mintmark.ts';
import { untilEnded } from './until_ended.ts';

await untilEnded(() => serveMintmark(process.argv.slice(2), 'npm start -- --port 8788'));
