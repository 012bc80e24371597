import assert from "node:assert/strict";
import { age, span } from "./age.js";
import { duration, outline, size } from "./inspect.js";
import { table } from "./table.js";

describe("cli: tables", () => {
  const rows = [{ name: "web", why: "needs 2.0 GiB memory on one node, the best of 3 has 1.2 GiB free" }, { name: "a-much-longer-name", why: "" }];
  const columns = [{ title: "NAME", value: (row: (typeof rows)[0]) => row.name }, { title: "WHY", value: (row: (typeof rows)[0]) => row.why }];
  it("align their columns and cut nothing off", () => {
    assert.equal(table(rows, columns, { colors: false }), [
      "NAME                 WHY", `web                  ${rows[0]!.why}`, "a-much-longer-name", "",
    ].join("\n"));
  });
  it("keep the alignment with colours, and a cell on one line", () => {
    const colored = table([{ name: "x\ny", why: "z" }], [{ ...columns[0]!, color: () => "green" as const }, columns[1]!], { colors: true });
    assert.equal(colored.replace(/\u001b\[\d+m/g, ""), "NAME   WHY\nx y    z\n");
    assert.ok(colored.includes("\u001b[32mx y\u001b[0m"));
  });
  it("show the header alone when there is nothing", () => { assert.equal(table([], columns, { colors: true }).replace(/\u001b\[\d+m/g, ""), "NAME   WHY\n"); });
});

describe("cli: words for numbers", () => {
  it("ages have one unit", () => {
    assert.equal(age(1_000, 9_500), "8 seconds ago");
    assert.equal(age(0, 9_500), "");
    assert.equal(span(1_000), "1 second");
    assert.equal(span(180_000), "3 minutes");
    assert.equal(span(-5), "0 seconds");
  });
  it("sizes and durations round for people", () => {
    assert.equal(size(1_536), "1.5 KiB");
    assert.equal(size(512), "512 B");
    assert.equal(size(300 << 20), "300 MiB");
    assert.equal(duration(90_500), "1m30.5s");
    assert.equal(duration(86_400_000), "1d");
    assert.equal(duration(250), "250ms");
  });
  it("outlines leave out what is empty", () => {
    assert.equal(outline({ id: "x", replicas: 0, labels: {}, meta: { createdAtMs: 1_700_000_000_000 }, ports: [{ targetPort: 80 }], args: ["a", "b"] }),
      "Id: x\nMeta:\n  Created At: 2023-11-14T22:13:20.000Z\nPorts:\n- Target Port: 80\nArgs: a b\n");
    assert.equal(outline({ Id: "x", CPUShares: 2, IPAddress: "1.2.3.4", Labels: { someOne: "1" }, DNS: ["1.1.1.1"] }), "Id: x\nCPU Shares: 2\nIP Address: 1.2.3.4\nLabels:\n  someOne: 1\nDNS: 1.1.1.1\n");
  });
});
