import assert from "node:assert/strict";
import { test } from "node:test";
import { ago, chip, duration, money, shown, statusName, summary } from "../src/format";
import type { Column, Lead } from "../src/operations";

test("only addresses that are safe to follow become links", () => {
  assert.equal(shown("https://ok.example/a", "URL")?.href, "https://ok.example/a");
  for (const address of ["javascript:alert(1)", "data:text/html,x", "//x.example", "not one"]) {
    assert.equal(shown(address, "URL")?.href, undefined, address);
  }
  assert.equal(shown("a@b.example?bcc=c@d.example", "EMAIL")?.href, "mailto:a@b.example%3Fbcc%3Dc@d.example");
  assert.equal(shown("+14155550123;x", "PHONE")?.href, "tel:+14155550123");
});

test("values are shown by what they are", () => {
  assert.equal(shown(null), undefined);
  assert.equal(shown(""), undefined);
  assert.equal(shown(false)?.text, "No");
  assert.equal(shown({ a: 1 }, "JSON")?.text, '{\n  "a": 1\n}');
  assert.equal(shown("+14155550123", "PHONE")?.text, "+1 415 555 0123");
  assert.equal(shown("no date", "DATE")?.text, "no date");
});

test("prices keep an unknown currency, and whole amounts lose the zeros", () => {
  assert.match(money({ amount: "12.50", currency: "USD" }), /12[.,]50/);
  assert.doesNotMatch(money({ amount: "12.00", currency: "USD" }), /00/);
  assert.equal(money({ amount: "12.5", currency: "?" }), "12.5 ?");
});

test("a status that a newer server has is shown as it is", () => {
  assert.equal(statusName("ACCEPTED"), "Accepted");
  assert.equal(statusName("PARKED" as "ACCEPTED"), "PARKED");
});

test("an erased lead is called so where nothing else was said of it", () => {
  const erased = { status: "PENDING_REVIEW", erasedAt: "2026-11-22T10:00:00Z", title: "Lead", fields: {} } as Lead;
  assert.deepEqual(chip(erased), { kind: "erased", text: "Erased" });
  assert.deepEqual(chip({ ...erased, status: "RETURN_REQUESTED" }).kind, "return-requested");
  assert.deepEqual(chip({ ...erased, erasedAt: null }), { kind: "pending-review", text: "To review" });
  assert.match(summary(erased, []), /sender has erased/);
});

test("times are told as people do", () => {
  const now = new Date(2026, 10, 22, 12);
  assert.equal(ago(now.toISOString(), now), "just now");
  assert.match(ago(new Date(2026, 10, 22, 11, 55).toISOString(), now), /5/);
  assert.match(ago(new Date(2025, 10, 22).toISOString(), now), /2025/);
  assert.deepEqual([null, 0.2, 5, 200, 4000].map(duration), ["–", "< 1 min", "5 min", "3 h", "3 days"]);
});

test("a summary leaves out what the title says, and what is long", () => {
  const types = { first: "TEXT", mail: "EMAIL", city: "TEXT", note: "TEXT", sure: "TEXT", kind: "CHOICE" };
  const columns = Object.entries(types).map(([name, type]) => ({ name, label: name, type }) as Column);
  const fields = { first: "Ann", mail: "a@b.example", city: "Bonn", note: "x".repeat(99), sure: null, kind: "Roof" };
  assert.equal(summary({ title: "Ann", fields } as unknown as Lead, columns), "Roof · Bonn · a@b.example");
});
