/** 1288490188 → "1.2 GiB". Rounded down where it is not whole, so that "needs 2.0, free 2.0" never stands in a refusal. */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let unit = 0;
  while (bytes >= 1024 ** (unit + 1) && unit < units.length - 1) unit++;
  const amount = bytes / 1024 ** unit;
  return `${unit === 0 ? amount : (Math.floor(amount * 10) / 10).toFixed(1)} ${units[unit]}`;
}

/** 1500 → "1.5" */
export const formatCpus = (millis: number): string => String(millis / 1000);

/** An amount of a dimension (state/dimensions.ts) with its unit: "2.0 GiB", "1.5". */
export function formatAmount(dimension: string, amount: number): string {
  switch (dimension) {
    case "cpu": return formatCpus(amount);
    case "memory": case "disk": return formatBytes(amount);
    default: return String(amount);
  }
}

/** What stands behind the amount: "memory", "CPU", "apple". */
export function dimensionWord(dimension: string): string {
  switch (dimension) {
    case "cpu": return "CPU";
    case "pids": return "processes";
    default: return dimension.startsWith("generic/") ? dimension.slice("generic/".length) : dimension;
  }
}
