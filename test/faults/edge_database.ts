import { ForwardedStatement } from '../support/forwarded_statement.ts';
import type { Random } from './random.ts';
import type { SqliteD1 } from './sqlite_d1.ts';
import { passage, type Climate } from './weather.ts';
import type { World } from './world.ts';

/** What the way from one isolate to D1 is told by and tells. */
export interface Edge {
  readonly random: Random;
  /** A crashed isolate hears of nothing more; what it sent may still arrive. */
  isAlive(): boolean;
  isCutOff(): boolean;
  /** A statement was executed, or a batch. */
  onExecuted(sql: readonly string[]): void;
  /** An answer is about to be handed over, to a call of `startedAt`. */
  onAnswered(sql: readonly string[], startedAt: number): void;
  /** A call fails, or takes longer than a verification waits; until so many milliseconds from now. */
  onTrouble(ms: number): void;
}

/** Nearly as long as a verification waits. */
const TROUBLE_MS = 2_000;

/** One database as one isolate reaches it: over a way that takes time, and fails. */
export class EdgeDatabase implements D1Database {
  readonly #world: World;
  readonly #database: SqliteD1;
  readonly #climate: Climate;
  readonly #edge: Edge;

  constructor(world: World, database: SqliteD1, climate: Climate, edge: Edge) {
    this.#world = world;
    this.#database = database;
    this.#climate = climate;
    this.#edge = edge;
  }

  prepare(sql: string): D1PreparedStatement {
    return new ForwardedStatement(sql, this.#database.prepare(sql), (sent, call) => this.#travel(sent, call));
  }

  batch<Row>(statements: D1PreparedStatement[]): Promise<D1Result<Row>[]> {
    const edged = statements.filter((statement) => statement instanceof ForwardedStatement);
    return this.#travel(
      edged.map(({ sql }) => sql),
      () => this.#database.batch<Row>(edged.map(({ inner }) => inner)),
    );
  }

  exec(): never {
    throw new Error('the code under test uses prepare and batch alone');
  }

  dump(): never {
    throw new Error('the code under test uses prepare and batch alone');
  }

  withSession(): never {
    throw new Error('the code under test uses prepare and batch alone');
  }

  /** Sends a call off, lets it be executed when it gets there, and hands its answer over when that is back. */
  #travel<Value>(sql: readonly string[], execute: () => Promise<Value>): Promise<Value> {
    const world = this.#world;
    const edge = this.#edge;
    const startedAt = world.now;
    const { out, back, fault } = passage(edge.random, this.#climate);
    // What a crash overtakes on its way out may or may not have left.
    const hasLeft = edge.random.chance(0.5);
    return new Promise((resolve, reject) => {
      const handOver = (hand: () => void): void => {
        if (back === Infinity) return;
        world.after(back, () => {
          if (edge.isAlive()) hand();
        });
      };
      const fail = (): void => {
        edge.onTrouble(back);
        handOver(() => reject(new Error('D1_ERROR: Network connection lost.')));
      };
      if (out + back > TROUBLE_MS) edge.onTrouble(Math.min(out + back, 2 * TROUBLE_MS));
      world.after(out, () => {
        if (!edge.isAlive() && !hasLeft) return;
        if (fault === 'refused' || edge.isCutOff()) return fail();
        const outcome = execute();
        // Handled when it is handed over, if it ever is.
        outcome.catch(() => undefined);
        edge.onExecuted(sql);
        if (fault === 'lost') return fail();
        handOver(() => {
          edge.onAnswered(sql, startedAt);
          outcome.then(resolve, reject);
        });
      });
    });
  }
}
