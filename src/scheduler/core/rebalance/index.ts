/**
 * Where running tasks should be instead, and what it takes. Pure: values in, values out, the same for the same.
 *   packVectors: items into as few equal bins as bounded work finds, from scratch
 * Does not apply anything, and knows no store: the loop beside it does.
 */
export { packVectors, type VectorPacking, type VectorPackingProblem } from "./vector-packing.js";
