/** Docker's multiplexing of output: [stream, 0, 0, 0, length as u32 big-endian] and the payload. */
const numbers = { stdin: 0, stdout: 1, stderr: 2 } as const;

export function frame(stream: "stdout" | "stderr", payload: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(8 + payload.length);
  framed.writeUInt32BE(numbers[stream] << 24, 0);
  framed.writeUInt32BE(payload.length, 4);
  framed.set(payload, 8);
  return framed;
}

const rawStream = "application/vnd.docker.raw-stream";
/** The content type says whether a stream is multiplexed from API 1.42 on. */
export const contentTypeOf = (isTty: boolean, apiMinor: number): string => (isTty || apiMinor < 42 ? rawStream : "application/vnd.docker.multiplexed-stream");
