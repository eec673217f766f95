export type KvOperation = 'get' | 'put' | 'delete';

/** What a test does around the real KV: look on, delay a call, or fail it. */
export interface KvHooks {
  before?: (operation: KvOperation, names: readonly string[]) => void | Promise<void>;
}

/** The real KV behind hooks. */
export function wrapKv(kv: KVNamespace, hooks: KvHooks): KVNamespace {
  return new Proxy(kv, {
    get(target, property) {
      if (property !== 'get' && property !== 'put' && property !== 'delete') {
        throw new Error(`the code under test does not use ${String(property)}()`);
      }
      return async (name: string | string[], ...rest: unknown[]): Promise<unknown> => {
        await hooks.before?.(property, typeof name === 'string' ? [name] : name);
        return Reflect.apply(Reflect.get(target, property), target, [name, ...rest]);
      };
    },
  });
}
