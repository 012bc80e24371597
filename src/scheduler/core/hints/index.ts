/** What services should set aside, by what their tasks really use. In: numbers. Out: numbers and sentences. */
export { leastWindowMs, rightSize, type Observed, type RightSize } from "./right-size.js";
