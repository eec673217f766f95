import { strayKey } from './edge.ts';
import type { TestService } from './service.ts';

/** Keys that would be allowed everything but for what their name says. The service's clock is moved on by a minute. */
export async function deadKeys(service: TestService) {
  const unknown = strayKey();
  const admin = () => service.key({}, { role: 'admin' });
  const revoked = await admin();
  await service.call('POST', `/v1/api-keys/${revoked.key.id}/revoke`);
  const deleted = await admin();
  await service.call('DELETE', `/v1/api-keys/${deleted.key.id}`);
  const disabled = await admin();
  await service.call('PATCH', `/v1/api-keys/${disabled.key.id}`, { body: { enabled: false } });
  const ofDisabled = await admin();
  await service.call('POST', `/v1/service-accounts/${ofDisabled.key.serviceAccountId}/disable`);
  const ofDeleted = await admin();
  await service.call('DELETE', `/v1/service-accounts/${ofDeleted.key.serviceAccountId}`);
  const expired = await service.key({ expiresIn: '1m' }, { role: 'admin' });
  await service.advance(60_000);
  return {
    'an unknown key': unknown,
    'a malformed key': 'mk_live_nonsense',
    'a mistyped key': unknown.slice(0, -1) + (unknown.endsWith('0') ? '1' : '0'),
    'a revoked key': revoked.secret,
    'an expired key': expired.secret,
    'a disabled key': disabled.secret,
    'a deleted key': deleted.secret,
    'a key of a disabled account': ofDisabled.secret,
    'a key of a deleted account': ofDeleted.secret,
  };
}
