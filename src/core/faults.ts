/** D1 or KV could not be reached, or did not answer: nothing is known to have changed. */
export class Unavailable extends Error {
  override readonly name = 'Unavailable';
}

/** A setting is missing or can't be used, and only what needs it fails. */
export class Misconfigured extends Error {
  override readonly name = 'Misconfigured';
  readonly setting: string;
  readonly rule: string;

  constructor(setting: string, rule: string) {
    super(`${setting} ${rule}`);
    this.setting = setting;
    this.rule = rule;
  }
}

/** D1 answers, but not with the tables that this code needs. */
export class SchemaMissing extends Error {
  override readonly name = 'SchemaMissing';
}
