/**
 * A listing of nftables rules in a form that is equal whenever the rules are: the order of elements in a set is the kernel's and may change
 * when the set grows, so words are sorted within each `elements` list.
 */
export function rulesFingerprint(listing: string): string {
  return listing.replace(/elements = \{([^}]*)\}/g, (_, elements: string) =>
    `elements = {${elements.split(",").map((element) => element.trim().replace(/\s+/g, " ")).sort().join(",")}}`)
    .split("\n").map((line) => line.trim()).filter(Boolean).join("\n");
}
