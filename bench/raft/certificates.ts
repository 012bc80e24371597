import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

export interface Certificates { readonly ca: string; readonly certificate: string; readonly key: string }

/** A CA and one P-256 certificate for 127.0.0.1, for client and server, as files in `directory`: the same for every system under measure. */
export function makeCertificates(directory: string): Certificates {
  const at = (name: string) => join(directory, name);
  const openssl = (...args: string[]) => execFileSync("openssl", args, { stdio: ["ignore", "ignore", "pipe"] });
  const newKey = (name: string) => openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", at(name));
  newKey("ca.key");
  openssl("req", "-x509", "-new", "-key", at("ca.key"), "-subj", "/CN=bench-ca", "-days", "2", "-out", at("ca.pem"));
  newKey("member.key");
  openssl("req", "-new", "-key", at("member.key"), "-subj", "/CN=member", "-out", at("member.csr"));
  writeFileSync(at("member.ext"), "subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth,clientAuth\n");
  openssl("x509", "-req", "-in", at("member.csr"), "-CA", at("ca.pem"), "-CAkey", at("ca.key"), "-CAcreateserial", "-days", "2", "-extfile", at("member.ext"), "-out", at("member.pem"));
  return { ca: at("ca.pem"), certificate: at("member.pem"), key: at("member.key") };
}
