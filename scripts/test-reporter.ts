import Mocha from "mocha";

const { EVENT_RUN_END, EVENT_TEST_FAIL, EVENT_TEST_PASS, EVENT_TEST_PENDING } = Mocha.Runner.constants;

/** A mocha reporter that sends each event to the parent process, apart from what the tests print. */
export default class ChannelReporter {
  constructor(runner: Mocha.Runner) {
    const send = (message: object) => { process.send?.(message); };
    runner.on(EVENT_TEST_PASS, (test) => send({ kind: "pass", title: test.fullTitle() }));
    runner.on(EVENT_TEST_PENDING, (test) => send({ kind: "skip", title: test.fullTitle() }));
    runner.on(EVENT_TEST_FAIL, (test, error: Error) => send({ kind: "fail", title: test.fullTitle(), err: error.message, stack: error.stack }));
    runner.once(EVENT_RUN_END, () => send({ kind: "end", title: "" }));
  }
}
