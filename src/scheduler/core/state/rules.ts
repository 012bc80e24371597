import type { PlacementStrategy, Toleration } from "../../../model/index.js";
import type { Predicate } from "./predicates.js";
import type { VolumeMount } from "./volume-table.js";

/**
 * What a revision of a service asks beside resources and eligibility: what depends on other tasks (ports, limits per place, affinities), and what it
 * would like. Most revisions ask for none of it and share `noRules`.
 */
export interface Rules {
  readonly strategy: PlacementStrategy;
  readonly replicas: number;                  // wanted at the same time; 0 = not known
  readonly hostPorts: readonly string[];      // "8080/tcp"
  readonly volumes: readonly VolumeMount[];   // of the cluster
  readonly maxPerNode: number;                // 0 = no limit
  readonly maxPer: readonly { readonly key: string; readonly count: number }[];
  readonly spread: readonly string[];         // attribute keys, outermost first
  readonly preferences: readonly { readonly predicate: Predicate; readonly weight: number }[];   // soft; negative = avoid
  readonly affinities: readonly AffinityRule[];
  readonly tolerations: readonly Toleration[];
  readonly image: string;
  readonly isGang: boolean;
  readonly mayMove: boolean;
  readonly project: string;                   // "" = of none
}

/** To (or away from: anti) the places where tasks of another service, or of this one, are. */
export interface AffinityRule {
  readonly serviceId: string;
  readonly isAnti: boolean;
  readonly isRequired: boolean;
  readonly weight: number;
  readonly key: string;                       // nodes with the same value of this attribute are one place; "node.id" = the node alone
}

export const noRules: Rules = {
  strategy: "DEFAULT", replicas: 0, hostPorts: [], volumes: [], maxPerNode: 0, maxPer: [], spread: [], preferences: [], affinities: [], tolerations: [], image: "", isGang: false, mayMove: true, project: "",
};
