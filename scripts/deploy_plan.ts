import { ENTRY_MODULE } from './bundle.ts';
import { ROOT_KEY_NAME, SIGNING_KEY_NAME } from './secrets.ts';

/** A wrangler command, and what it is for. */
interface Step {
  args: readonly string[];
  purpose: string;
}

/** Every command of a deploy: the dry run prints these, the real one runs these. */
export const STEPS = {
  findDatabase: { args: ['d1', 'list', '--json'], purpose: 'is there a database already?' },
  upload: {
    args: ['deploy', ENTRY_MODULE, '--no-bundle', '--no-minify'],
    purpose: 'upload the Worker; a database or KV namespace that it lacks is created',
  },
  migrate: {
    args: ['d1', 'migrations', 'apply', 'DB', '--remote'],
    purpose: 'apply the migrations that are new',
  },
  findSecrets: {
    args: ['secret', 'list', '--format', 'json'],
    purpose: 'which secrets are there already?',
  },
  putRootKey: { args: ['secret', 'put', ROOT_KEY_NAME], purpose: 'only where there is none' },
  putSigningKey: { args: ['secret', 'put', SIGNING_KEY_NAME], purpose: 'only where there is none' },
} as const satisfies Record<string, Step>;

export type StepName = keyof typeof STEPS;

/**
 * The first upload creates the database, so migrations follow it. Later ones go ahead of the code that needs
 * them, as migrations only add. A first deploy that broke off halfway is a later one when run again.
 */
export const PLANS = {
  first: {
    title: 'A first deploy, while there is no database',
    steps: ['upload', 'migrate', 'findSecrets', 'putRootKey', 'putSigningKey'],
  },
  later: {
    title: 'A later deploy',
    steps: ['migrate', 'upload', 'findSecrets', 'putRootKey', 'putSigningKey'],
  },
} as const satisfies Record<string, { title: string; steps: readonly StepName[] }>;
