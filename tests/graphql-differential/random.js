// Random choices that a seed repeats.

export class Random {
  constructor(seed) {
    this.state = seed >>> 0;
  }

  // From 0 to 1.
  next() {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let mixed = this.state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  }

  below(end) {
    return Math.floor(this.next() * end);
  }

  chance(likelihood) {
    return this.next() < likelihood;
  }

  pick(list) {
    return list[this.below(list.length)];
  }

  some(list, most) {
    const count = Math.min(list.length, 1 + this.below(most));
    const left = [...list];
    return Array.from({ length: count }, () => left.splice(this.below(left.length), 1)[0]);
  }
}
