import { formatConstraint, matchesConstraint } from "../../model/index.js";
import { groupByDetail, type Filter } from "../core/filter.js";

/** Every placement constraint must hold; the first that does not is named. */
export const constraintFilter: Filter = {
  name: "constraint",
  concerns: (shape) => shape.constraints.length > 0,
  room: (shape, { node }) => (shape.constraints.every((constraint) => matchesConstraint(constraint, node)) ? Infinity : 0),
  explain: (shape, nodes) => groupByDetail(nodes, ({ node }) => {
    const unmet = shape.constraints.find((constraint) => !matchesConstraint(constraint, node));
    return `constraint ${unmet ? formatConstraint(unmet) : ""} not met`;
  }),
};
