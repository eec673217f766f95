import { ROOT_KEY_NAME } from './root_key.ts';

/** A wrangler command, and what it is for. */
interface Step {
  args: readonly string[];
  purpose: string;
}

/** Every command of a deploy: the dry run prints these, the real one runs these. */
export const STEPS = {
  findDatabase: { args: ['d1', 'list', '--json'], purpose: 'is there a database already?' },
  upload: {
    args: ['deploy'],
    purpose: 'upload the Worker; a database or KV namespace that it lacks is created',
  },
  migrate: {
    args: ['d1', 'migrations', 'apply', 'DB', '--remote'],
    purpose: 'apply the migrations that are new',
  },
  findRootKey: {
    args: ['secret', 'list', '--format', 'json'],
    purpose: 'is there a root key already?',
  },
  putRootKey: { args: ['secret', 'put', ROOT_KEY_NAME], purpose: 'only where there is none' },
} as const satisfies Record<string, Step>;

export type StepName = keyof typeof STEPS;

/**
 * The first upload creates the database, so migrations follow it. Later ones go ahead of the code that needs
 * them, as migrations only add. A first deploy that broke off halfway is a later one when run again.
 */
export const PLANS = {
  first: {
    title: 'A first deploy, while there is no database',
    steps: ['upload', 'migrate', 'findRootKey', 'putRootKey'],
  },
  later: { title: 'A later deploy', steps: ['migrate', 'upload', 'findRootKey', 'putRootKey'] },
} as const satisfies Record<string, { title: string; steps: readonly StepName[] }>;
