import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { Soon } from "../src/soon";

test("what is asked for again and again is done all the same, once in a while", () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  let done = 0;
  const soon = new Soon(() => (done += 1), 100);
  for (let time = 0; time < 1_000; time += 10) {
    soon.ask();
    mock.timers.tick(10);
  }
  assert.equal(done, 10);
  soon.ask();
  soon.cancel();
  mock.timers.tick(1_000);
  assert.equal(done, 10);
  mock.timers.reset();
});
