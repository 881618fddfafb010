import assert from "node:assert/strict";
import { test } from "node:test";
import { events, isStream, Reader } from "../src/sse";

test("events are put together from any pieces, and comments are passed over", () => {
  const text = ': hello\n\nevent: next\ndata: {"a":1}\n\n:\n\nevent: next\ndata: one\ndata: two\n\nevent: complete\n\n';
  const expected = [
    { event: "next", data: '{"a":1}' },
    { event: "next", data: "one\ntwo" },
    { event: "complete", data: "" },
  ];
  assert.deepEqual(new Reader().push(text), expected);
  const reader = new Reader();
  assert.deepEqual(
    [...text].flatMap((character) => reader.push(character)),
    expected,
  );
});

test("an answer is read to its end, and every piece is heard of", async () => {
  const headers = { "content-type": "text/event-stream; charset=utf-8" };
  const response = new Response(": hello\n\nevent: next\ndata: ü\n\n", { headers });
  assert.ok(isStream(response));
  assert.ok(!isStream(new Response("{}")));
  let heard = 0;
  const found = [];
  for await (const event of events(response, () => (heard += 1))) found.push(event);
  assert.deepEqual(found, [{ event: "next", data: "ü" }]);
  assert.equal(heard, 1);
});
