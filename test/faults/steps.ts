import * as fc from 'fast-check';

import { MOODS, SETTINGS, type Climate, type Settings } from './weather.ts';

/** Isolates that live at once. A crashed one's place is taken by a new one. */
export const ISOLATES = 3;

/** What can be done to a key, an account or an organization, by a name that a reader knows. */
export const KEY_CHANGES = [
  'narrow',
  'widen',
  'shorten',
  'extend',
  'disable',
  'enable',
  'rename',
  'revoke',
  'revoke lineage',
  'delete',
] as const;
export const ACCOUNT_CHANGES = ['narrow', 'widen', 'disable', 'enable', 'rename', 'delete'] as const;
export const ORGANIZATION_CHANGES = ['narrow', 'widen', 'rename', 'delete'] as const;

const SECOND = 1_000;

/** Some are chosen far more often than others, so that what is done to one meets what is done to it elsewhere. */
const favoured = (usual: number, max: number): fc.Arbitrary<number> =>
  fc.oneof({ weight: 3, arbitrary: fc.nat({ max: usual }) }, { weight: 1, arbitrary: fc.nat({ max }) });

const isolate = favoured(1, ISOLATES - 1);
const key = favoured(1, 11);
const account = favoured(0, 2);
/** What chance does with a step's calls, whatever other steps there are. */
const salt = fc.nat();

/** Before a step: none, so that steps overlap; a little; or what makes knowledge stale, too old, or ends a grace. */
const gap = fc.oneof(
  { weight: 3, arbitrary: fc.constant(0) },
  { weight: 4, arbitrary: fc.nat({ max: SECOND }) },
  { weight: 3, arbitrary: fc.integer({ min: SECOND, max: 20 * SECOND }) },
  { weight: 2, arbitrary: fc.integer({ min: 20 * SECOND, max: 130 * SECOND }) },
  { weight: 1, arbitrary: fc.integer({ min: 130 * SECOND, max: 900 * SECOND }) },
);

const common = { gap, isolate, salt };
const timed = fc.integer({ min: SECOND, max: 800 * SECOND });
const maxStaleness = fc.option(fc.constantFrom(0, 1, 5, 30), { freq: 3, nil: null });
const scope = fc.constantFrom('files:read', 'files:write', null);
const lifetime = fc.option(fc.constantFrom('30s', '90s', '200s', '900s'), { freq: 1, nil: null });

const step = fc.oneof(
  {
    weight: 16,
    arbitrary: fc.record({ do: fc.constant('verify'), ...common, key, scope, maxStaleness }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('verify many'),
      ...common,
      keys: fc.array(key, { minLength: 2, maxLength: 5 }),
      scope,
      maxStaleness,
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('mint'), ...common, account, scope, lifetime }) },
  {
    weight: 7,
    arbitrary: fc.record({
      do: fc.constant('change key'),
      ...common,
      key,
      change: fc.constantFrom(...KEY_CHANGES),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('change account'),
      ...common,
      account,
      change: fc.constantFrom(...ACCOUNT_CHANGES),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('change organization'),
      ...common,
      organization: fc.nat({ max: 1 }),
      change: fc.constantFrom(...ORGANIZATION_CHANGES),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('rotate'),
      ...common,
      key,
      gracePeriod: fc.constantFrom('0s', '60s', '10m', null),
      untilFirstUse: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('upkeep'), ...common }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('crash'), ...common }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('cut off'),
      ...common,
      isAll: fc.boolean(),
      ms: timed,
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('checkpoint'), ...common }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('restore'),
      ...common,
      renewedAfterMs: fc.constantFrom(0, 5 * SECOND),
    }),
  },
);

export type Step = typeof step extends fc.Arbitrary<infer Any> ? Any : never;

/** What happens, in what climate. */
export interface History {
  readonly climate: Climate;
  readonly steps: readonly Step[];
}

const settings: fc.Arbitrary<Settings> = fc.oneof(
  { weight: 3, arbitrary: fc.constant({}) },
  { weight: 1, arbitrary: fc.constantFrom<Settings>(...SETTINGS) },
);

export const histories: fc.Arbitrary<History> = fc.record({
  climate: fc.record({ settings, kv: fc.constantFrom(...MOODS), isD1Flaky: fc.boolean() }),
  steps: fc.array(step, { minLength: 1, maxLength: 40, size: 'max' }),
});
