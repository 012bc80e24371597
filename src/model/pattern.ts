/**
 * Regular expressions and globs over attribute values, matched in time linear in the value: a pattern comes from whoever may create a
 * service and runs on the leader for every node, so it must not be able to backtrack. Thompson's construction, run as Pike's machine
 * without captures (R. Cox, "Regular Expression Matching: the Virtual Machine Approach"). Whatever the case, as values are.
 */
export interface Pattern { matches(value: string): boolean }

/** The largest program: the time for one character of a value is bounded by it. */
const maxInstructions = 300;
const maxRepeat = 100;

/**
 * The common subset: literals, `.`, classes, `\d \w \s` and their opposites, groups, `|`, `* + ? {m,n}`, `^ $`. It matches anywhere in the value unless
 * it is anchored. Throws a PatternError for anything else.
 */
export function compileRegularExpression(text: string): Pattern {
  return new Machine(emitProgram(new Parser(text).parse()), false);
}

/** `*` any characters, `?` any one; the whole value must match. */
export function compileGlob(text: string): Pattern {
  const items = [...text].map((char): Node => {
    if (char === "*") return { kind: "repeat", item: { kind: "any" }, least: 0, most: Infinity };
    return char === "?" ? { kind: "any" } : { kind: "sequence", items: [...char].flatMap(literalOf) };
  });
  return new Machine(emitProgram({ kind: "sequence", items }), true);
}

/** Its message is the end of a sentence. */
export class PatternError extends Error {}

// ---- syntax ------------------------------------------------------------------------------------------------------

/** Bounds are inclusive UTF-16 code units. */
interface CharacterClass { readonly ranges: readonly (readonly [number, number])[]; readonly isNegated: boolean }

type Node =
  | { readonly kind: "char"; readonly code: number } | { readonly kind: "any" } | { readonly kind: "start" } | { readonly kind: "end" }
  | { readonly kind: "class"; readonly set: CharacterClass }
  | { readonly kind: "sequence" | "either"; readonly items: readonly Node[] }
  | { readonly kind: "repeat"; readonly item: Node; readonly least: number; readonly most: number };

const literalOf = (char: string): Node[] => Array.from(char.toLowerCase().split(""), (unit) => ({ kind: "char", code: unit.charCodeAt(0) }));

const code = (char: string): number => char.charCodeAt(0);
const digits = [[code("0"), code("9")]] as const;
const wordCharacters = [[code("0"), code("9")], [code("A"), code("Z")], [code("_"), code("_")], [code("a"), code("z")]] as const;
const blanks = [[9, 13], [32, 32], [160, 160]] as const;
const namedClasses: Readonly<Record<string, CharacterClass>> = {
  d: { ranges: digits, isNegated: false }, D: { ranges: digits, isNegated: true },
  w: { ranges: wordCharacters, isNegated: false }, W: { ranges: wordCharacters, isNegated: true },
  s: { ranges: blanks, isNegated: false }, S: { ranges: blanks, isNegated: true },
};

class Parser {
  #at = 0;
  constructor(private readonly text: string) {}

  parse(): Node {
    const node = this.#either();
    if (this.#at < this.text.length) throw new PatternError('it has a ")" that nothing opened');
    return node;
  }

  #either(): Node {
    const items = [this.#sequence()];
    while (this.#take("|")) items.push(this.#sequence());
    return items.length === 1 ? items[0]! : { kind: "either", items };
  }

  #sequence(): Node {
    const items: Node[] = [];
    while (this.#at < this.text.length && !"|)".includes(this.#next)) items.push(this.#repeated(this.#single()));
    return { kind: "sequence", items };
  }

  #repeated(item: Node): Node {
    const bounds = this.#quantifier();
    if (!bounds) return item;
    // "*?" would be lazy: which of several matches is found does not matter here, but in other dialects "*+" is something else again.
    this.#take("?");
    if (this.#quantifier()) throw new PatternError("it repeats a repetition; put the inner one in parentheses");
    return { kind: "repeat", item, least: bounds[0], most: bounds[1] };
  }

  #quantifier(): readonly [least: number, most: number] | undefined {
    if (this.#take("*")) return [0, Infinity];
    if (this.#take("+")) return [1, Infinity];
    if (this.#take("?")) return [0, 1];
    const bounds = /^\{(\d{1,6})(,(\d{1,6})?)?\}/.exec(this.text.slice(this.#at));
    if (!bounds) return undefined;
    this.#at += bounds[0].length;
    const least = Number(bounds[1]), most = bounds[2] === undefined ? least : bounds[3] === undefined ? Infinity : Number(bounds[3]);
    if (most < least) throw new PatternError(`it repeats "${bounds[0]}", where the most is less than the least`);
    if (least > maxRepeat || (most !== Infinity && most > maxRepeat)) throw new PatternError(`it repeats more than ${maxRepeat} times`);
    return [least, most];
  }

  #single(): Node {
    const char = this.#next;
    this.#at++;
    switch (char) {
      case "(": return this.#group();
      case "[": return { kind: "class", set: this.#class() };
      case ".": return { kind: "any" };
      case "^": return { kind: "start" };
      case "$": return { kind: "end" };
      case "\\": return this.#escape();
      case "*": case "+": case "?": throw new PatternError(`it has "${char}" with nothing before it to repeat`);
      default: return { kind: "sequence", items: literalOf(char) };
    }
  }

  #group(): Node {
    if (this.#next === "?" && !this.text.startsWith("?:", this.#at)) throw new PatternError('it has "(?"; look-around, flags and named groups are not supported');
    if (this.text.startsWith("?:", this.#at)) this.#at += 2;
    const node = this.#either();
    if (!this.#take(")")) throw new PatternError('it has a "(" that is not closed');
    return node;
  }

  #escape(): Node {
    const char = this.#escaped();
    const named = namedClasses[char];
    return named ? { kind: "class", set: named } : { kind: "sequence", items: literalOf(char) };
  }

  /** The character after a backslash: a letter of namedClasses or punctuation that stands for itself. */
  #escaped(): string {
    const char = this.#next;
    this.#at++;
    if (char === "") throw new PatternError("it ends in a backslash");
    if (/[1-9]/.test(char)) throw new PatternError(`it has "\\${char}"; back-references are not supported`);
    if (/[a-z0]/i.test(char) && !Object.hasOwn(namedClasses, char)) throw new PatternError(`it has "\\${char}"; of letters only \\d, \\w, \\s, \\D, \\W and \\S have a meaning`);
    return char;
  }

  #class(): CharacterClass {
    const ranges: (readonly [number, number])[] = [];
    const isNegated = this.#take("^");
    for (let isFirst = true; isFirst || this.#next !== "]"; isFirst = false) {
      const low = this.#classMember();
      if (typeof low !== "number") { ranges.push(...low); continue; }
      if (this.#next !== "-" || this.text[this.#at + 1] === "]") { ranges.push([low, low]); continue; }
      this.#at++;
      const high = this.#classMember();
      if (typeof high !== "number" || high < low) throw new PatternError('it has a range in "[…]" that does not go upward');
      ranges.push([low, high]);
    }
    this.#at++;
    return { ranges, isNegated };
  }

  #classMember(): number | CharacterClass["ranges"] {
    const char = this.#next;
    if (char === "") throw new PatternError('it has a "[" that is not closed');
    this.#at++;
    if (char !== "\\") return code(char);
    const escaped = this.#escaped();
    const named = namedClasses[escaped];
    if (named?.isNegated) throw new PatternError(`it has "\\${escaped}" inside "[…]"; write the class as [^…]`);
    return named ? named.ranges : code(escaped);
  }

  get #next(): string { return this.text[this.#at] ?? ""; }
  #take(char: string): boolean {
    if (this.#next !== char) return false;
    this.#at++;
    return true;
  }
}

// ---- program -----------------------------------------------------------------------------------------------------

type Instruction =
  | { readonly op: "char"; readonly code: number } | { readonly op: "class"; readonly set: CharacterClass } | { readonly op: "any" }
  | { readonly op: "start" } | { readonly op: "end" } | { readonly op: "match" }
  | { readonly op: "jump"; to: number } | { readonly op: "split"; to: number; or: number };

function emitProgram(root: Node): Instruction[] {
  const program: Instruction[] = [];
  const push = <T extends Instruction>(instruction: T): T => {
    if (program.length >= maxInstructions) throw new PatternError("it is too large; write a shorter one, with smaller counts");
    program.push(instruction);
    return instruction;
  };
  const emit = (node: Node): void => {
    switch (node.kind) {
      case "char": push({ op: "char", code: node.code }); return;
      case "class": push({ op: "class", set: node.set }); return;
      case "any": case "start": case "end": push({ op: node.kind }); return;
      case "sequence": node.items.forEach(emit); return;
      case "either": return either(node.items);
      case "repeat": return repeat(node.item, node.least, node.most);
    }
  };
  const either = (items: readonly Node[]): void => {
    const exits = items.map((item, index) => {
      const isLast = index === items.length - 1;
      const split = isLast ? undefined : push({ op: "split", to: program.length + 1, or: 0 });
      emit(item);
      const exit = isLast ? undefined : push({ op: "jump", to: 0 });
      if (split) split.or = program.length;
      return exit;
    });
    for (const exit of exits) if (exit) exit.to = program.length;
  };
  const repeat = (item: Node, least: number, most: number): void => {
    for (let i = 0; i < least; i++) {
      const before = program.length;
      emit(item);
      // What needs no instruction needs none a hundred times either; nested, counting it out would take for ever.
      if (program.length === before) break;
    }
    if (most === Infinity) {
      const split = push({ op: "split", to: program.length + 1, or: 0 });
      const at = program.length - 1;
      emit(item);
      push({ op: "jump", to: at });
      split.or = program.length;
      return;
    }
    const splits = Array.from({ length: most - least }, () => {
      const split = push({ op: "split", to: program.length + 1, or: 0 });
      emit(item);
      return split;
    });
    for (const split of splits) split.or = program.length;
  };
  emit(root);
  push({ op: "match" });
  return program;
}

/** All threads advance over the value together; each instruction holds one thread at most, so a step costs no more than the program is long. */
class Machine implements Pattern {
  #current: Uint16Array;
  #following: Uint16Array;
  readonly #pending: Uint16Array;
  readonly #seenAt: Uint32Array;
  #step = 0;
  #count = 0;
  #isMatch = false;

  constructor(private readonly program: readonly Instruction[], private readonly isWhole: boolean) {
    this.#current = new Uint16Array(program.length);
    this.#following = new Uint16Array(program.length);
    this.#pending = new Uint16Array(2 * program.length + 1);
    this.#seenAt = new Uint32Array(program.length);
  }

  matches(value: string): boolean {
    const text = value.toLowerCase();
    this.#isMatch = false;
    this.#begin();
    this.#add(0, this.#following, text, 0);
    for (let at = 0; at < text.length; at++) {
      if (this.#isMatch) return true;
      if (this.#count === 0 && this.isWhole) return false;
      const running = this.#count;
      [this.#current, this.#following] = [this.#following, this.#current];
      this.#begin();
      const unit = text.charCodeAt(at);
      for (let thread = 0; thread < running; thread++) {
        const pc = this.#current[thread]!;
        if (accepts(this.program[pc]!, unit)) this.#add(pc + 1, this.#following, text, at + 1);
      }
      if (!this.isWhole) this.#add(0, this.#following, text, at + 1);
    }
    return this.#isMatch;
  }

  #begin(): void {
    this.#count = 0;
    // 32 bits wrap after 4 × 10⁹ characters; a stale mark would then lose a thread.
    if (this.#step === 0xffffffff) { this.#seenAt.fill(0); this.#step = 0; }
    this.#step++;
  }

  /** Follows what needs no character from `pc` on, and leaves the threads that need one in `threads`. */
  #add(pc: number, threads: Uint16Array, text: string, at: number): void {
    const pending = this.#pending;
    let size = 0;
    pending[size++] = pc;
    while (size > 0) {
      const next = pending[--size]!;
      if (this.#seenAt[next] === this.#step) continue;
      this.#seenAt[next] = this.#step;
      const instruction = this.program[next]!;
      switch (instruction.op) {
        case "jump": pending[size++] = instruction.to; break;
        case "split": pending[size++] = instruction.or; pending[size++] = instruction.to; break;
        case "start": if (at === 0) pending[size++] = next + 1; break;
        case "end": if (at === text.length) pending[size++] = next + 1; break;
        case "match": if (!this.isWhole || at === text.length) this.#isMatch = true; break;
        default: threads[this.#count++] = next;
      }
    }
  }
}

/** `unit` is lower-case; a class may name the upper-case form. */
function accepts(instruction: Instruction, unit: number): boolean {
  switch (instruction.op) {
    case "char": return instruction.code === unit;
    case "any": return true;
    case "class": return (holds(instruction.set, unit) || holds(instruction.set, upperCaseOf(unit))) !== instruction.set.isNegated;
    default: return false;
  }
}

const upperCaseOf = (unit: number): number => (unit >= 97 && unit <= 122 ? unit - 32 : unit < 128 ? unit : code(String.fromCharCode(unit).toUpperCase()));

function holds({ ranges }: CharacterClass, unit: number): boolean {
  for (const [low, high] of ranges) if (unit >= low && unit <= high) return true;
  return false;
}
