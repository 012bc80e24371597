/**
 * Why a group's tasks are where they are, or nowhere. In: the state, a group. Out: values, and sentences about them. Places nothing.
 *   sentence.ts          the short form, written on tasks that wait
 *   causes.ts            every cause of every node, grouped
 *   smallest-change.ts   what would let one more task fit; trial.ts and moves.ts try it out, change.ts says what it is
 *   whole-service.ts     which reservation would do for all tasks of a service
 *   explain.ts           all of it together
 */
export { explainRefusals, kept, keptFilter, sentenceForNode, sentenceOf } from "./sentence.js";
export { collectCauses, refusalsOn, type Cause, type Causes, type Pattern } from "./causes.js";
export { applyToSpec, changeCommand, changeCost, changeWords, specOfGroup, type Change, type Names } from "./change.js";
export { smallestChanges, type Suggestion } from "./smallest-change.js";
export type { WholeService } from "./whole-service.js";
export { explain, type Explanation, type ExplainOptions } from "./explain.js";
