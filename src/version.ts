import { version } from '../package.json';

/** The version of this deployment, as its package has it. */
export const VERSION: string = version;
