/** Makes one call of statements to a database, in whatever way that a test has calls made. */
export type Travel = <Value>(
  sql: readonly string[],
  call: () => Promise<D1Result<Value>>,
) => Promise<D1Result<Value>>;

/** A statement whose calls are made in a test's way. */
export class ForwardedStatement implements D1PreparedStatement {
  readonly sql: string;
  readonly inner: D1PreparedStatement;
  readonly #travel: Travel;

  constructor(sql: string, inner: D1PreparedStatement, travel: Travel) {
    this.sql = sql;
    this.inner = inner;
    this.#travel = travel;
  }

  bind(...values: unknown[]): D1PreparedStatement {
    return new ForwardedStatement(this.sql, this.inner.bind(...values), this.#travel);
  }

  all<Row = Record<string, unknown>>(): Promise<D1Result<Row>> {
    return this.#travel([this.sql], () => this.inner.all<Row>());
  }

  run<Row = Record<string, unknown>>(): Promise<D1Result<Row>> {
    return this.all<Row>();
  }

  async first<Value>(): Promise<Value | null> {
    const { results } = await this.all<Value>();
    return results[0] ?? null;
  }

  raw(): never {
    throw new Error('the code under test does not use raw()');
  }
}
