/**
 * The metadata calls that tsyringe (a dependency of @peculiar/x509) asks for when it is loaded: class → key → value. No decorator
 * of ours uses them. Must be imported before x509; does nothing where a full polyfill is present already.
 */
const metadata = new WeakMap<object, Map<unknown, unknown>>();

const reflect = Reflect as unknown as Record<string, unknown>;

const getOwn = (key: unknown, target: object): unknown => metadata.get(target)?.get(key);

function get(key: unknown, target: object): unknown {
  for (let at: object | null = target; at; at = Object.getPrototypeOf(at) as object | null) {
    if (metadata.get(at)?.has(key)) return getOwn(key, at);
  }
  return undefined;
}

function define(key: unknown, value: unknown, target: object): void {
  const own = metadata.get(target) ?? new Map<unknown, unknown>();
  metadata.set(target, own.set(key, value));
}

if (!reflect["getMetadata"]) {
  Object.assign(reflect, {
    getMetadata: get, getOwnMetadata: getOwn, defineMetadata: define,
    hasMetadata: (key: unknown, target: object) => get(key, target) !== undefined,
    hasOwnMetadata: (key: unknown, target: object) => metadata.get(target)?.has(key) === true,
    metadata: (key: unknown, value: unknown) => (target: object) => define(key, value, target),
  });
}

export {};
