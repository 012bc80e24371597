import { parseCertificate } from "./root.js";

/** The certificate's life, in Unix milliseconds. */
export function validityOf(certificatePem: string): { notBeforeMs: number; notAfterMs: number } {
  const certificate = parseCertificate(certificatePem);
  return { notBeforeMs: Date.parse(certificate.validFrom), notAfterMs: Date.parse(certificate.validTo) };
}
