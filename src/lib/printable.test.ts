import assert from "node:assert/strict";
import { printable } from "./index.js";

describe("printable", () => {
  it("keeps what people write", () => assert.equal(printable('pulling "web:1": 42 % – größer'), 'pulling "web:1": 42 % – größer'));
  it("makes one line of several", () => assert.equal(printable("a\r\n  b\tc"), "a b c"));
  it("takes away what would steer a terminal", () => assert.equal(printable("\u001b]0;owned\u0007\u009b2Jx\0"), "?]0;owned??2Jx?"));
  it("cuts what is too long", () => assert.equal(printable("abcdef", 4), "abc…"));
});
