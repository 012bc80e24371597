/**
 * What containers use and what runs in them: samples out of the kernel's control groups (v1, v2 and both mixed) and `ps`. Nothing is kept between two samples;
 * rates and percentages are the reader's.
 */
export { ContainerStats } from "./container-stats.js";
export { topOf } from "./top.js";
