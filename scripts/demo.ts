import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { packageRoot } from "../src/rpc/index.js";

/** What `npm run up` makes and `npm run down` removes. */
export const demo = {
  lab: "demo",
  managers: 3,
  workers: 2,
  network: "demo-net",
  service: "web",
  replicas: 6,
  port: 8080,
  images: ["busybox", "demo"],
} as const;

export const root = packageRoot(fileURLToPath(import.meta.url));
export const imageCache = join(root, ".cache/images");
export const imagePath = (name: string): string => join(imageCache, `${name}.tar`);
