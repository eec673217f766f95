/** Whether it can name an organization. */
export const isOrganizationId = (value: unknown): value is string =>
  typeof value === 'string' && /^org_[0-9A-Za-z]{24}$/.test(value);

/** Whether it can name a key. */
export const isKeyId = (value: unknown): value is string =>
  typeof value === 'string' && /^key_[0-9A-Za-z]{24}$/.test(value);
