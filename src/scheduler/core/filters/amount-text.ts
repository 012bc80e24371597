/** 1288490188 → "1.2 GiB". Rounded down where it is not whole, so that "needs 2.0, free 2.0" never stands in a refusal. */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let unit = 0;
  while (bytes >= 1024 ** (unit + 1) && unit < units.length - 1) unit++;
  const amount = bytes / 1024 ** unit;
  return `${unit === 0 ? amount : (Math.floor(amount * 10) / 10).toFixed(1)} ${units[unit]}`;
}

/** Amounts in thousandths: 1500 → "1.5". */
export const formatThousandths = (thousandths: number): string => String(thousandths / 1000);

/** What users call a dimension: "cpu" → "CPU", "generic/apple" → "apple". */
export function wordOf(dimension: string): string {
  switch (dimension) {
    case "cpu": return "CPU";
    case "pids": return "processes";
    default: return dimension.startsWith("generic/") ? dimension.slice("generic/".length) : dimension;
  }
}

/** An amount of a dimension as users write it: cpu 1500 → "1.5", memory 2^31 → "2.0 GiB", generic/apple 3 → "3". Below zero is nothing. */
export function amountText(dimension: string, amount: number): string {
  const shown = Math.max(0, amount);
  switch (dimension) {
    case "cpu": case "gpu": return formatThousandths(shown);
    case "memory": case "disk": return formatBytes(shown);
    default: return String(shown);
  }
}
