import { strict as assert } from "node:assert";
import fc from "fast-check";
import { codeOf } from "../lib/index.js";
import { formatConstraint, matchesConstraint, newNode, newNodeDescription, newNodeSpec, parseConstraint, problemOfContradiction } from "./index.js";
import { compareValues } from "./ordered-value.js";

describe("placement constraints", () => {
  const node = newNode({
    id: "n1", role: "MANAGER", spec: newNodeSpec({ labels: { disk: "SSD", "a.b": "c", flag: "", cores: "16", price: "0.25", memory: "64g" } }),
    description: newNodeDescription({ hostname: "m1", arch: "x86_64", engineLabels: { zone: "west" }, attributes: { "kernel.version": "5.15.0-91-generic", driver: "535.10", "os.release": "9.10" } }),
    status: { state: "READY", message: "", addr: "10.1.2.3", sinceMs: 0 },
  });

  for (const [text, expected] of [
    ["node.id==n1", true], ["node.id == N1", true], ["node.id!=n1", false], ["node.hostname==m2", false], ["node.role==manager", true],
    ["node.role!=worker", true], ["node.platform.os==linux", true], ["node.platform.arch==amd64", true], ["node.platform.arch==aarch64", false],
    ["node.labels.disk==ssd", true], ["node.labels.disk!=hdd", true], ["node.labels.absent==x", false], ["node.labels.absent!=x", true],
    ["node.labels.a.b==c", true], ["node.labels.constructor!=x", true], ["engine.labels.zone==WEST", true],
    ["node.ip==10.1.2.3", true], ["node.ip==10.1.0.0/16", true], ["node.ip!=10.1.0.0/16", false], ["node.ip==10.2.0.0/16", false],
    ["Node.Role==manager", true], ["NODE.LABELS.disk==ssd", true], ["node.labels.Disk==ssd", false], ["node.labels.disk==s*", false],
    ["node.labels.disk in (hdd, ssd)", true], ["node.labels.disk in (hdd)", false], ["node.labels.disk not in (hdd,nvme)", true], ["node.labels.absent in (a)", false], ["node.labels.absent not in (a)", true],
    ["node.platform.arch in (x86_64)", true], ["node.ip in (10.2.0.0/16, 10.1.2.3)", true], ["node.ip not in (10.2.0.0/16)", true],
    ["node.hostname like m?", true], ["node.hostname LIKE M*", true], ["node.hostname not like m*", false], ["node.labels.absent like *", false], ["node.labels.absent not like *", true],
    ["node.labels.disk=~^s+d$", true], ["node.labels.disk=~sd", true], ["node.labels.disk!~^n", true], ["node.labels.absent=~.*", false], ["node.labels.absent!~.*", true],
    ["node.labels.cores>8", true], ["node.labels.cores>16", false], ["node.labels.cores>=16", true], ["node.labels.cores<100", true], ["node.labels.cores<=9", false], ["node.labels.price<0.3", true],
    ["node.labels.memory>=32GiB", true], ["node.labels.memory<65536m", false], ["node.labels.memory<=65536m", true], ["node.labels.disk>5", false], ["node.labels.disk<5", false], ["node.labels.absent<5", false],
    ["node.attr.kernel.version>=5.4", true], ["node.attr.kernel.version<5.15.1", true], ["node.attr.kernel.version>5.15", true], ["node.attr.kernel.version>=5.15.0-90", true], ["node.attr.kernel.version>=5.15.0-101", false],
    ["node.attr.os.release>9.9", true], ["node.attr.driver>=v535.9", true], ["node.attr.driver>=535.9", false], ["node.attr.absent!=x", true],
    ["node.labels.flag exists", true], ["node.labels.flag not exists", false], ["node.labels.absent exists", false], ["node.labels.absent !exists", true], ["node.attr.driver exists", true], ["engine.labels.zone exists", true], ["node.hostname exists", true],
  ] as const) it(`${text} ${expected ? "holds" : "does not hold"} on the node`, () => assert.equal(matchesConstraint(parseConstraint(text), node), expected));

  it("a node that is not described yet satisfies nothing about its host", () => {
    const blank = newNode({ id: "n2" });
    for (const text of ["node.hostname==x", "node.hostname!=x", "node.platform.os!=x", "node.ip!=10.0.0.1", "node.ip exists", "node.attr.x!=y", "node.attr.x not exists"]) {
      assert.equal(matchesConstraint(parseConstraint(text), blank), false, text);
    }
  });

  for (const [text, why] of [
    ["node.labels.disk", /KEY==VALUE/], ["node.labels.disk=ssd", /KEY==VALUE/], ["node.labels.disk===ssd", /one operator/], ["disk==ssd", /"disk" is not a key; use node\.id, node\.hostname/],
    ["node.labels.==x", /is not a key/], ["node.labels.disk==", /is empty/], ["node.ip==nowhere", /neither an IPv4 address/], ["node.role==boss", /manager or worker/],
    ["", /KEY==VALUE/], ["node.labels.a in ()", /a value in the list is empty; write it as node\.labels\.a in \(A,B\)/], ["node.labels.a in (a,,b)", /is empty/], ["node.labels.a in a,b", /KEY==VALUE/],
    ["node.labels.a in ((b))", /no parentheses/], ["node.labels.a like ssd", /use == for a value as it is/], ["node.labels.a=~(", /the regular expression "\(" cannot be used: it has a "\(" that is not closed/],
    ["node.labels.a=~", /is empty/], ["node.labels.a>big", /"big" cannot be compared/], ["node.hostname>5", /node\.hostname is none/], ["node.role in (boss)", /manager or worker/], ["node.ip in (x)", /neither an IPv4 address/],
    ["node.labels.a existsnot", /KEY==VALUE/], [`node.labels.a in (${Array(101).fill("x").join(",")})`, /101 values are more than the limit of 100/], ["node.attr.==x", /is not a key/],
    ["node.labels.zone==a && node.labels.disk==ssd", /a second constraint; give each by itself/], ["node.labels.zone like a* or node.role==worker", /a second constraint/],
    [`node.labels.${"x".repeat(10_000)}==a`, /^Cannot use constraint "node\.labels\.x{88}…": its key has 10012 characters/], [`node.labels.a==${"x".repeat(10_000)}`, /^Cannot use constraint ".{100}…": the value must be at most 255/],
  ] as const) it(`"${text}" is refused with the reason`, () => {
    assert.throws(() => parseConstraint(text), (error: Error) => codeOf(error) === "INVALID_ARGUMENT" && why.test(error.message));
  });

  const name = fc.stringMatching(/^[a-z][a-zA-Z0-9._-]{0,8}$/);
  const key = fc.oneof(name.map((each) => `node.labels.${each}`), name.map((each) => `node.attr.${each}`), fc.constantFrom("node.id", "node.hostname", "engine.labels.x"));
  const value = fc.stringMatching(/^[a-zA-Z0-9 ._:@-]{1,12}$/).filter((text) => text.trim() === text);
  const text = fc.oneof(
    fc.tuple(key, fc.constantFrom("==", "!=", " == ", " != "), value).map((parts) => parts.join("")),
    fc.tuple(key, fc.constantFrom(" in ", " not in ", " NOT  IN"), fc.array(value, { minLength: 1, maxLength: 4 })).map(([k, operator, values]) => `${k}${operator}(${values.join(", ")})`),
    fc.tuple(key, fc.constantFrom(" like ", " not like "), value, fc.constantFrom("*", "?")).map((parts) => parts.join("")),
    fc.tuple(key, fc.constantFrom("=~", "!~", " =~ "), value).map((parts) => parts.join("")),
    fc.tuple(name, fc.constantFrom(">", ">=", " < ", "<="), fc.constantFrom("5", "-1.5", "16g", "v1.2.3", "5.4.0-rc1")).map(([k, operator, amount]) => `node.labels.${k}${operator}${amount}`),
    fc.tuple(key, fc.constantFrom(" exists", " not exists", " !exists")).map((parts) => parts.join("")));
  const anyNode = fc.record({ labels: fc.dictionary(name, value), attributes: fc.dictionary(name, value), hostname: value }).map(({ labels, attributes, hostname }) =>
    newNode({ id: "n", spec: newNodeSpec({ labels }), description: newNodeDescription({ hostname, attributes }) }));

  it("what is written out is read again as the same", () => {
    fc.assert(fc.property(text, anyNode, (written, anyone) => {
      const constraint = parseConstraint(written);
      const again = parseConstraint(formatConstraint(constraint));
      assert.deepEqual({ ...again, read: undefined, accepts: undefined }, { ...constraint, read: undefined, accepts: undefined });
      assert.equal(formatConstraint(again), formatConstraint(constraint));
      assert.equal(matchesConstraint(again, anyone), matchesConstraint(constraint, anyone));
    }), { numRuns: 1000 });
  });

  it("any text is read or refused with a sentence", () => {
    fc.assert(fc.property(fc.oneof(fc.string({ maxLength: 40 }), fc.tuple(key, fc.string({ maxLength: 20 })).map((parts) => parts.join(""))), (written) => {
      try { parseConstraint(written); } catch (error) { assert.equal(codeOf(error), "INVALID_ARGUMENT"); }
    }), { numRuns: 1000 });
  });

  it("a described node satisfies an operator or its opposite, never both", () => {
    fc.assert(fc.property(key.filter((each) => each !== "node.id"), value.filter((each) => !each.includes(",")), anyNode, (k, v, anyone) => {
      for (const [one, other] of [[`${k}==${v}`, `${k}!=${v}`], [`${k} in (${v})`, `${k} not in (${v})`], [`${k} like ${v}*`, `${k} not like ${v}*`], [`${k} exists`, `${k} not exists`]] as const) {
        assert.notEqual(matchesConstraint(parseConstraint(one), anyone), matchesConstraint(parseConstraint(other), anyone), one);
      }
      assert.equal(matchesConstraint(parseConstraint(`${k}==${v}`), anyone), matchesConstraint(parseConstraint(`${k} in (${v})`), anyone));
    }), { numRuns: 500 });
  });

  for (const [texts, isRefused] of [
    [["node.labels.a==x", "node.labels.a==y"], true], [["node.labels.a==x", "node.labels.a==X"], false], [["node.labels.a==x", "node.labels.a!=x"], true], [["node.labels.a==x", "node.labels.b==y"], false],
    [["node.labels.a in (a,b)", "node.labels.a in (c,d)"], true], [["node.labels.a in (a,b)", "node.labels.a in (b,c)"], false], [["node.labels.a in (a,b)", "node.labels.a!=a", "node.labels.a!=b"], true],
    [["node.labels.a in (a,b)", "node.labels.a in (b,c)", "node.labels.a in (a,c)"], true], [["node.labels.a>5", "node.labels.a<3"], true], [["node.labels.a>5", "node.labels.a<5"], true], [["node.labels.a>=5", "node.labels.a<=5"], false],
    [["node.labels.a>=5", "node.labels.a<5"], true], [["node.labels.a>1g", "node.labels.a<512m"], true], [["node.labels.a>1.9", "node.labels.a<1.10"], false], [["node.attr.x.version>1.10", "node.attr.x.version<1.9"], true],
    [["node.labels.a>-1", "node.labels.a<-2"], true], [["node.labels.a==5", "node.labels.a>5"], true], [["node.labels.a==6", "node.labels.a>5"], false], [["node.labels.a exists", "node.labels.a not exists"], true],
    [["node.labels.a not exists", "node.labels.a==x"], true], [["node.labels.a not exists", "node.labels.a!=x"], false], [["node.labels.a exists", "node.labels.a==x"], false], [["node.role!=manager", "node.role!=worker"], true],
    [["node.role==manager", "node.role!=worker"], false], [["node.ip==10.1.0.0/16", "node.ip==10.2.0.0/16"], true], [["node.ip==10.1.0.0/16", "node.ip==10.1.2.3"], false], [["node.ip==10.1.2.3", "node.ip!=10.1.0.0/16"], true],
    [["node.ip==10.1.0.0/16", "node.ip!=10.1.2.3"], false], [["node.labels.a=~^x", "node.labels.a==yx"], true], [["node.labels.a like x*", "node.labels.a==xy"], false], [["node.platform.arch==amd64", "node.platform.arch==x86_64"], false],
  ] as const) it(`${texts.join(" with ")} ${isRefused ? "is a contradiction" : "is none"}`, () => {
    assert.equal(problemOfContradiction(texts.map(parseConstraint)) !== undefined, isRefused, problemOfContradiction(texts.map(parseConstraint)));
    assert.equal(problemOfContradiction(texts.map(parseConstraint).reverse()) !== undefined, isRefused);
  });

  it("what some node satisfies is no contradiction", () => {
    const few = fc.constantFrom("a", "b", "1", "2", "10", "1.10", "1.9", "2k", "v1.2");
    const ofKey = fc.oneof(
      fc.tuple(fc.constantFrom("==", "!=", "=~", "!~"), few).map(([operator, v]) => `node.labels.k${operator}${v}`),
      fc.tuple(fc.constantFrom("in", "not in"), fc.array(few, { minLength: 1, maxLength: 4 })).map(([operator, values]) => `node.labels.k ${operator} (${values.join(",")})`),
      fc.tuple(fc.constantFrom(">", ">=", "<", "<="), fc.constantFrom("1", "2", "1.9", "1.10", "2k", "v1.2", "-1")).map(([operator, v]) => `node.labels.k${operator}${v}`),
      fc.constantFrom("node.labels.k exists", "node.labels.k not exists", "node.labels.k like 1*"));
    fc.assert(fc.property(fc.array(ofKey, { minLength: 1, maxLength: 5 }), fc.option(few), (texts, label) => {
      const constraints = texts.map(parseConstraint);
      const candidate = newNode({ id: "n", spec: newNodeSpec({ labels: label === null ? {} : { k: label } }) });
      if (constraints.every((each) => matchesConstraint(each, candidate))) assert.equal(problemOfContradiction(constraints), undefined);
    }), { numRuns: 3000 });
  });
});

describe("values in order", () => {
  for (const [low, high] of [
    ["1", "2"], ["-2", "1"], ["9", "10"], ["1.10", "1.9"], ["v1.9", "v1.10"], ["v1.9", "1.10"], ["1.2.9", "1.2.10"], ["512m", "1g"], ["1023", "1k"], ["1.0.0-rc1", "1.0.0"], ["1.0.0-alpha", "1.0.0-beta"],
    ["1.0.0-rc2", "1.0.0-rc10"], ["5.15.0", "5.15.0-91-generic"], ["5.15.0-91-generic", "5.15.0-101-generic"], ["5.15.0-91-generic", "5.15.1"], ["24.0.7+1.1", "24.0.8"],
  ] as const) it(`${low} is below ${high}`, () => {
    assert.ok(compareValues(low!, high!)! < 0);
    assert.ok(compareValues(high!, low!)! > 0);
  });
  it("text is not compared, nor a size with a version", () => {
    assert.equal(compareValues("big", "5"), undefined);
    assert.equal(compareValues("5", ""), undefined);
    assert.equal(compareValues("16g", "1.2.3"), undefined);
    assert.equal(compareValues("1.2.3", "1.2.3+build"), 0);
  });
});
