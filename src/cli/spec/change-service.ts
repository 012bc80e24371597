import { codeOf } from "../../lib/index.js";
import type { Service, ServiceSpec } from "../../model/index.js";
import type { GetServiceResponse } from "../../gen/swarm/v1/GetServiceResponse.js";
import type { UpdateServiceResponse } from "../../gen/swarm/v1/UpdateServiceResponse.js";
import type { CommandInput } from "../command.js";
import { present, readTo } from "../present.js";

/** Whoever else changes the service meanwhile: read, change and write again this often. */
const attempts = 5;

/** Reads a service, applies `change` to its spec and writes it back, provided that nobody else changed it in between. */
export async function changeService(input: CommandInput, ref: string, change: (spec: ServiceSpec) => ServiceSpec): Promise<Service> {
  for (let attempt = 1; ; attempt++) {
    const service = present((await readTo("change", input.connection.control<GetServiceResponse>("getService", { ref }))).service, "service");
    const spec = change(present(service.spec, "service's spec"));
    try {
      const answer = await input.connection.control<UpdateServiceResponse>("updateService", { ref: service.id, version: service.meta?.version ?? 0, spec });
      for (const warning of answer.warnings) input.terminal.err(`swarmctl: warning: ${warning}\n`);
      return present(answer.service, "service");
    } catch (error) {
      if (codeOf(error) !== "ABORTED" || attempt === attempts) throw error;
    }
  }
}
