/** D1 or KV could not be reached, or did not answer: nothing is known to have changed. */
export class Unavailable extends Error {
  override readonly name = 'Unavailable';
}

/** D1 answers, but not with the tables that this code needs. */
export class SchemaMissing extends Error {
  override readonly name = 'SchemaMissing';
}
