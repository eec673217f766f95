import { expect, it } from 'vitest';

import { bundleAll } from '../../bench/bundle.ts';
import { bundleWorker } from '../../scripts/bundle.ts';

const { files, startUp } = await bundleWorker();
const modules = [...files.keys()].filter((name) => name.endsWith('.mjs'));
const textOf = (names: readonly string[]): string =>
  names.map((name) => new TextDecoder().decode(files.get(name))).join('\n');

it('the start leaves out what no verification needs', () => {
  const later = textOf(modules.filter((name) => !startUp.includes(name)));
  const atStart = textOf(startUp);
  expect(startUp[0]).toBe('worker.mjs');
  expect(atStart).toContain('INSUFFICIENT_SCOPE');
  // Of management, a wire format, jose, and the OpenAPI document.
  for (const text of ['INSERT INTO audit_events', '/compat/', 'ERR_JWKS_MULTIPLE_MATCHING_KEYS', '"3.1.0"']) {
    expect(later).toContain(text);
    expect(atStart).not.toContain(text);
  }
});

it('the start is as small as the benchmark has it', async () => {
  const { size } = await bundleAll();
  expect(size.startUp).toBeLessThanOrEqual(size.aim);
});

it('every module that one names is there, and its map', () => {
  for (const name of modules) {
    const named = [...textOf([name]).matchAll(/["']\.\/([\w-]+\.mjs)["']/g)].map(([, other]) => other);
    expect(modules).toEqual(expect.arrayContaining(named));
    expect([...files.keys()]).toContain(`${name}.map`);
  }
});

it('the maps lead to the sources from where they are written', () => {
  const { sources } = JSON.parse(textOf(['worker.mjs.map'])) as { sources: string[] };
  expect(sources).toContain('../../src/worker.ts');
});
