/** What a test does around the real KV: look on, or fail a call. */
export interface KvHooks {
  before?: (operation: 'get' | 'put' | 'delete', name: string) => void;
}

/** The real KV behind hooks. */
export function wrapKv(kv: KVNamespace, hooks: KvHooks): KVNamespace {
  return new Proxy(kv, {
    get(target, property) {
      if (property !== 'get' && property !== 'put' && property !== 'delete') {
        throw new Error(`the code under test does not use ${String(property)}()`);
      }
      return async (name: string, ...rest: unknown[]): Promise<unknown> => {
        hooks.before?.(property, name);
        return Reflect.apply(Reflect.get(target, property), target, [name, ...rest]);
      };
    },
  });
}
