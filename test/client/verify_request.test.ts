import { afterEach, describe, expect, test, vi } from 'vitest';

import { outcomeOf, verifyRequest } from '../../src/client/verify_request.ts';

const KEY = 'mk_live_56NgPlwcyjMfHh8jZR0Fd46O815aVYBo1fiM55';
const withKey = () => new Request('http://api/', { headers: { Authorization: `Bearer ${KEY}` } });
const asking = (verify: (request: object) => unknown) => ({
  service: { verify: async (request: object) => verify(request) },
});

describe('where every object has been given a member', () => {
  const everyObject: object = Object.getPrototypeOf({});
  const polluted = (name: string, value: unknown) =>
    Reflect.defineProperty(everyObject, name, { value, configurable: true, writable: true });
  const names = ['valid', 'ok', 'verdict', 'service', 'credential', 'organization', 'error', 'code'];
  afterEach(() => {
    for (const name of names) Reflect.deleteProperty(everyObject, name);
  });

  test.for(names)('nobody gets in by it: %s', async (name) => {
    polluted(name, true);
    const outcomes = [
      await verifyRequest(
        new Request('http://api/'),
        asking(() => ({})),
      ),
      await verifyRequest(withKey(), { service: undefined }),
      await verifyRequest(
        withKey(),
        asking(() => ({})),
      ),
      await verifyRequest(
        withKey(),
        asking(() => ({ valid: false, code: 'REVOKED' })),
      ),
    ];
    expect(outcomes.map(({ ok }) => ok)).toEqual([false, false, false, false]);
  });
});

describe('once the time is up', () => {
  test('nothing is asked any more', async () => {
    const asked = vi.fn<(value: unknown) => void>();
    const scopes = ['files:read'];
    const options = { ...asking(asked), scopes, timeoutMs: 5 };
    const outcome = await outcomeOf(withKey(), options, async () => {
      await scheduler.wait(30);
      return options;
    });
    expect(outcome).toMatchObject({ ok: false, refusal: { code: 'unavailable' } });
    await scheduler.wait(50);
    expect(asked).not.toHaveBeenCalled();
  });

  test('what comes of it after all goes unheeded, also if it fails', async () => {
    const late = asking(async () => {
      await scheduler.wait(20);
      throw new Error('late');
    });
    const unhandled = vi.fn<(value: unknown) => void>();
    addEventListener('unhandledrejection', unhandled);
    expect(await verifyRequest(withKey(), { ...late, timeoutMs: 5 })).toMatchObject({ ok: false });
    await scheduler.wait(50);
    removeEventListener('unhandledrejection', unhandled);
    expect(unhandled).not.toHaveBeenCalled();
  });
});

describe('the reason of a refusal', () => {
  const refusedWith = async (key: string, said: string) => {
    const request = new Request('http://api/', { headers: { Authorization: `Bearer ${key}` } });
    const outcome = await verifyRequest(
      request,
      asking(() => Promise.reject(new Error(said))),
    );
    return outcome.ok ? 'let through' : outcome.refusal.reason;
  };

  test('hides a key, and leaves words alone that are too short to be one', async () => {
    expect(await refusedWith(KEY, `${KEY} was refused`)).toBe('Error: [secret] was refused');
    expect(await refusedWith('e', 'connection refused')).toBe('Error: connection refused');
  });
});

describe('a user agent', () => {
  test('is not cut where a key in it would be, before Mintmark looks for keys', async () => {
    const asked = vi.fn<(value: unknown) => void>();
    const userAgent = `${'x'.repeat(500)}${KEY}`;
    const headers = { Authorization: `Bearer ${KEY}`, 'User-Agent': userAgent };
    await verifyRequest(new Request('http://api/', { headers }), asking(asked));
    expect(asked).toHaveBeenCalledWith(expect.objectContaining({ userAgent }));
  });
});

test('an option of a kind that it cannot be refuses, and is nothing that throws', async () => {
  for (const wrong of [
    { realm: 5 },
    { from: 5 },
    { from: null },
    { timeoutMs: 'x' },
    { scopes: undefined },
    { environment: 'prod' },
  ]) {
    for (const request of [withKey(), new Request('http://api/')]) {
      const outcome = await verifyRequest(request, { ...asking(() => ({})), ...(wrong as object) });
      expect(outcome.ok).toBe(false);
    }
  }
});
