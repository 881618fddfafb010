import assert from "node:assert/strict";
import { test } from "node:test";
import {
  awaitsReview,
  belongs,
  EVERYTHING,
  filterOf,
  isImpossible,
  merged,
  type Narrowing,
  parts,
  span,
} from "../src/list";
import type { Lead } from "../src/operations";

const NOW = new Date(2026, 10, 22, 12);
const lead = (id: string, part: Partial<Lead> = {}): Lead => ({
  id,
  title: id,
  fields: {},
  status: "PENDING_REVIEW",
  test: false,
  deliveredAt: NOW.toISOString(),
  erasedAt: null,
  price: null,
  review: null,
  ...part,
});
const narrowed = (part: Partial<Narrowing>): Narrowing => ({ ...EVERYTHING, ...part });

test("two lists become one, newest first, each lead once, and the newer state counts", () => {
  const list = merged([lead("b"), lead("a")], [lead("c"), lead("a", { status: "ACCEPTED" })]);
  assert.deepEqual(
    list.map(({ id, status }) => [id, status]),
    [
      ["c", "PENDING_REVIEW"],
      ["b", "PENDING_REVIEW"],
      ["a", "ACCEPTED"],
    ],
  );
});

test("a lead belongs where its status and its day do, and only the server knows what a search finds", () => {
  assert.equal(belongs(lead("a"), EVERYTHING, NOW), true);
  assert.equal(belongs(lead("a"), narrowed({ tab: "accepted" }), NOW), false);
  assert.equal(belongs(lead("a", { status: "RETURNED" }), narrowed({ tab: "returns" }), NOW), true);
  const yesterday = lead("a", { deliveredAt: new Date(2026, 10, 21, 23, 59).toISOString() });
  assert.equal(belongs(yesterday, narrowed({ days: "today" }), NOW), false);
  assert.equal(belongs(yesterday, narrowed({ days: "week" }), NOW), true);
  assert.equal(belongs(lead("a"), narrowed({ search: "x@example.com" }), NOW), undefined);
  assert.equal(belongs(lead("a"), narrowed({ search: "x@example.com", tab: "rejected" }), NOW), false);
});

test("a lead that the sender has erased waits for no review", () => {
  assert.ok(awaitsReview(lead("a")));
  assert.ok(!awaitsReview(lead("a", { status: "ACCEPTED" })));
  assert.ok(!awaitsReview(lead("a", { erasedAt: NOW.toISOString() })));
});

test("days of one's own are both included, and either may be left out", () => {
  const between = (from: string, to: string) => span(narrowed({ days: "custom", from, to }), NOW);
  assert.deepEqual(between("2026-11-01", "2026-11-01"), {
    from: new Date(2026, 10, 1).toISOString(),
    to: new Date(2026, 10, 2).toISOString(),
  });
  assert.equal(between("", ""), undefined);
  assert.equal(between("2026-11-01", "")?.to.slice(0, 4), "9999");
  assert.ok(isImpossible(narrowed({ days: "custom", from: "2026-11-02", to: "2026-11-01" }), NOW));
  assert.ok(!isImpossible(EVERYTHING, NOW));
});

test("the server is asked for what is chosen only", () => {
  const nothing = { status: undefined, search: undefined, deliveredIn: undefined };
  assert.deepEqual(filterOf(narrowed({ search: "  " }), NOW), nothing);
  assert.deepEqual(filterOf(narrowed({ tab: "pending", search: " Ann Long " }), NOW), {
    ...nothing,
    status: ["PENDING_REVIEW"],
    search: "Ann Long",
  });
});

test("parts have at most so many", () => {
  assert.deepEqual(parts([1, 2, 3, 4, 5], 2), [[1, 2], [3, 4], [5]]);
  assert.deepEqual(parts([], 2), []);
});
