import type { UntypedServiceImplementation } from "@grpc/grpc-js";
import { SwarmError } from "../lib/index.js";
import { unary, type Authorize } from "../rpc/index.js";
import type { IssueCertificateRequest } from "../gen/swarm/v1/IssueCertificateRequest.js";
import type { IssueCertificateResponse } from "../gen/swarm/v1/IssueCertificateResponse.js";
import type { RenewCertificateRequest } from "../gen/swarm/v1/RenewCertificateRequest.js";
import type { CaServer } from "./ca-server/index.js";
import { originOf, type LeaderForward } from "./leader-forward.js";

/** swarm.v1.Ca: the leader signs; every manager has the root certificate. */
export function caHandlers({ ca, forward, authorize, rootCertificatePem }: { readonly ca: CaServer; readonly forward: LeaderForward; readonly authorize: Authorize; readonly rootCertificatePem: string }): UntypedServiceImplementation {
  return {
    GetRootCertificate: unary<object, { certificatePem: string }>(authorize, async () => ({ certificatePem: rootCertificatePem })),
    IssueCertificate: unary<IssueCertificateRequest, IssueCertificateResponse>(authorize, (request, context) =>
      forward.write({ service: "Ca", method: "issueCertificate", request, context }, () => ca.issue(request, originOf(context).peer))),
    RenewCertificate: unary<RenewCertificateRequest, IssueCertificateResponse>(authorize, (request, context) => {
      const { nodeId } = originOf(context);
      if (!nodeId) throw new SwarmError("UNAUTHENTICATED", "Cannot renew a certificate: the connection shows none; join this host to the cluster instead");
      return forward.write({ service: "Ca", method: "renewCertificate", request, context }, () => ca.renew(request, nodeId));
    }),
  };
}
