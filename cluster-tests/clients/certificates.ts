import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";

/** A CA, a daemon's certificate for 127.0.0.1 and a client's, in files named as DOCKER_CERT_PATH wants them; the daemon's begin with "server-". */
export function makeCertificates(directory: string): void {
  mkdirSync(directory, { recursive: true });
  const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: directory, stdio: "ignore" });
  openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=tour", "-keyout", "ca-key.pem", "-out", "ca.pem");
  for (const [name, extension] of [["server-", "subjectAltName=IP:127.0.0.1"], ["", "extendedKeyUsage=clientAuth"]] as const) {
    writeFileSync(`${directory}/extensions`, `${extension}\n`);
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", `/CN=tour ${name || "client"}`, "-keyout", `${name}key.pem`, "-out", "request.pem");
    openssl("x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial", "-days", "2", "-extfile", "extensions", "-out", `${name}cert.pem`);
  }
}
