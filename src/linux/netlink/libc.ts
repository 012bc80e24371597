import { createRequire } from "node:module";

/** System calls that Node has no way to. All are synchronous and return -1 on failure; `errno()` then says why. */
export interface Libc {
  socket(domain: number, type: number, protocol: number): number;
  bind(fd: number, address: Uint8Array, length: number): number;
  setsockopt(fd: number, level: number, name: number, value: Uint8Array, length: number): number;
  sendto(fd: number, data: Uint8Array, length: number, flags: number, address: Uint8Array | null, addressLength: number): number;
  /** sendto() in a thread of the pool. */
  sendtoLater(fd: number, data: Uint8Array): Promise<{ size: number; errno: number }>;
  recv(fd: number, into: Uint8Array, length: number, flags: number): number;
  setns(fd: number, kind: number): number;
  unshare(flags: number): number;
  mount(source: string, target: string, type: string | null, flags: number, data: string | null): number;
  umount2(target: string, flags: number): number;
  errno(): number;
  errorOf(errno: number): string;
}

let loaded: { readonly libc: Libc } | { readonly reason: string } | undefined;

/** Undefined where the foreign function library or the C library cannot be loaded; `whyNoLibc` says why. */
export function loadLibc(): Libc | undefined {
  loaded ??= load();
  return "libc" in loaded ? loaded.libc : undefined;
}

export const whyNoLibc = (): string => (loaded && "reason" in loaded ? loaded.reason : "");

function load(): NonNullable<typeof loaded> {
  try {
    // Not an import: where the library has no build for this machine, everything else goes on without it.
    const koffi = createRequire(import.meta.url)("koffi") as typeof import("koffi");
    const library = ["libc.so.6", "libc.so"].map((name) => { try { return koffi.load(name); } catch { return undefined; } }).find((found) => found !== undefined);
    if (!library) return { reason: "neither libc.so.6 nor libc.so can be loaded" };
    const sendto = library.func("long sendto(int, const uint8_t *, size_t, int, const uint8_t *, uint32_t)");
    const strerror = library.func("const char *strerror(int)") as (errno: number) => string;
    return {
      libc: {
        socket: library.func("int socket(int, int, int)") as Libc["socket"],
        bind: library.func("int bind(int, const uint8_t *, uint32_t)") as Libc["bind"],
        setsockopt: library.func("int setsockopt(int, int, int, const uint8_t *, uint32_t)") as Libc["setsockopt"],
        sendto: sendto as unknown as Libc["sendto"],
        // The thread's errno is carried over to the caller's by koffi before it calls back.
        sendtoLater: (fd, data) => new Promise((resolve, reject) => {
          sendto.async(fd, data, data.length, 0, null, 0, (error: unknown, size: number | bigint) => (error ? reject(error) : resolve({ size: Number(size), errno: koffi.errno() })));
        }),
        recv: library.func("long recv(int, _Out_ uint8_t *, size_t, int)") as Libc["recv"],
        setns: library.func("int setns(int, int)") as Libc["setns"],
        unshare: library.func("int unshare(int)") as Libc["unshare"],
        mount: library.func("int mount(const char *, const char *, const char *, unsigned long, const char *)") as Libc["mount"],
        umount2: library.func("int umount2(const char *, int)") as Libc["umount2"],
        errno: () => koffi.errno(),
        errorOf: (errno) => strerror(errno),
      },
    };
  } catch (error) { return { reason: error instanceof Error ? error.message : String(error) }; }
}
