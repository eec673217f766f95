/** Cloudflare's prices on the Workers Paid plan, in US dollars, and what it includes a month: docs/cost.md has the sources. */
export const PRICES = {
  requests: { each: 0.3 / 1e6, included: 10e6 },
  cpuMs: { each: 0.02 / 1e6, included: 30e6 },
  kvReads: { each: 0.5 / 1e6, included: 10e6 },
  kvWrites: { each: 5 / 1e6, included: 1e6 },
  kvBytes: { each: 0.5 / 1e9, included: 1e9 },
  rowsRead: { each: 0.001 / 1e6, included: 25e9 },
  rowsWritten: { each: 1 / 1e6, included: 50e6 },
  d1Bytes: { each: 0.75 / 1e9, included: 5e9 },
} as const;
export const PLAN_DOLLARS = 5;

export type Product = keyof typeof PRICES;

/** Of CPU, for a verification, as the benchmark has it on a laptop's core. */
export const CPU_MS = { https: 0.2, binding: 0.2 } as const;

export const MONTH_SECONDS = 30 * 86_400;

/** What so much costs in a month, beyond what the plan includes. */
export function dollarsOf(product: Product, amount: number): number {
  const { each, included } = PRICES[product];
  return Math.max(0, amount - included) * each;
}
