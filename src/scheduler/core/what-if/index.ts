/** What would happen if nodes went or came and services grew. In: a copy of the state, changes. Out: what moves, what would wait and why, and the room that is left. */
export { headroomOf, maxHeadroom } from "./headroom.js";
export { permille, useOf, useOfNodes, type NodeUse } from "./node-use.js";
export { whatIf, type PendingAfter, type WhatIf, type WhatIfChanges, type WhatIfOptions } from "./what-if.js";
