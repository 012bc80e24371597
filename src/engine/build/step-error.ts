import { SwarmError } from "../../lib/index.js";

/** A command of a Dockerfile failed. Docker's clients get its exit code beside the message. */
export class BuildStepError extends SwarmError {
  constructor(message: string, readonly exitCode: number, readonly line: number) {
    super("FAILED_PRECONDITION", message);
    this.name = "BuildStepError";
  }
}
