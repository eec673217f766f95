import type { Result, Router } from 'hono/router';
import { TrieRouter } from 'hono/router/trie-router';

const HAS_PARAMETERS = /[:*{?]/;

/**
 * Hono's router, which remembers what it finds for paths without parameters: the calls that are made most are of two of
 * them. Bounded by the routes that there are.
 */
export class RememberingRouter<Handler> implements Router<Handler> {
  readonly name = 'RememberingRouter';
  readonly #router = new TrieRouter<Handler>();
  readonly #methods = new Set<string>();
  readonly #fixedPaths = new Set<string>();
  readonly #found = new Map<string, Result<Handler>>();

  add(method: string, path: string, handler: Handler): void {
    this.#router.add(method, path, handler);
    this.#methods.add(method);
    if (!HAS_PARAMETERS.test(path)) this.#fixedPaths.add(path);
    this.#found.clear();
  }

  match(method: string, path: string): Result<Handler> {
    const name = `${method} ${path}`;
    const remembered = this.#found.get(name);
    if (remembered !== undefined) return remembered;
    const found = this.#router.match(method, path);
    if (this.#methods.has(method) && this.#fixedPaths.has(path)) this.#found.set(name, found);
    return found;
  }
}
