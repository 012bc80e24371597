/**
 * Text that somebody else chose, fit for one line of a log or a terminal: no control character, which could redraw the line or the
 * window's title, and at most `maxLength` characters. Line breaks and tabs become spaces.
 */
export function printable(text: string, maxLength = Infinity): string {
  const line = text.replace(/\s*[\n\r\t]\s*/g, " ").replace(/\p{Cc}/gu, "?");
  return line.length > maxLength ? `${line.slice(0, maxLength - 1)}…` : line;
}
