import assert from "node:assert/strict";
import { newTask } from "../../model/index.js";
import { expandTemplate, templateValues } from "./template.js";

const values = templateValues({ task: newTask({ id: "t1", serviceId: "s1", slot: 3, nodeId: "n1" }), spec: null, serviceName: "web", serviceLabels: {}, ports: [], nodeName: "host-a", volumes: [] });

describe("agent: templates", () => {
  it("stand for the task, its service and its node", () => {
    assert.equal(expandTemplate("{{.Service.Name}}-{{ .Task.Slot }}@{{.Node.Hostname}} {{.Task.Name}}", values, "env"), "web-3@host-a web.3.t1");
  });
  it("that are not known are refused with those that are", () => {
    assert.throws(() => expandTemplate("{{.Task.Slots}}", values, "env"), /Cannot expand "\{\{\.Task\.Slots\}\}" in env: .*\{\{\.Task\.Slot\}\}/);
  });
});
