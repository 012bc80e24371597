/** Why a group's tasks are where they are, or nowhere. Reads the state; whoever wants suggestions tried out gives a copy. */
export { explainRefusals, sentenceForNode, sentenceOf } from "./sentence.js";
