// Time as one life of a member sees it: its clock runs fast or slow by a constant, and stands still for timers while the process is paused (as with SIGSTOP: `now` goes on).
import type { Clock } from "../src/clock.js";
import type { Life } from "./life.js";
import type { World } from "./world.js";

/** `rate`: milliseconds of this clock in one of the world's. */
export function simulatedClock(world: World, life: Life, rate: number): Clock {
  return {
    now: () => world.now * rate,
    every(periodMs, run) {
      let isStopped = false;
      const worldMs = periodMs / rate;
      // The fractions add up: periods are exact in the long run.
      let due = world.now + worldMs;
      const tick = (): void => {
        if (isStopped) return;
        // A timer does not make up for what it missed.
        due = Math.max(due + worldMs, world.now + 1);
        world.at(Math.max(1, Math.floor(due) - world.now), tick, life);
        run();
      };
      world.at(Math.max(1, Math.floor(due) - world.now), tick, life);
      return () => { isStopped = true; };
    },
    soon: (run) => world.soon(run, life),
  };
}
