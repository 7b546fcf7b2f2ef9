/**
 * The states that were reached, each once, in the order in which they were; and a table that tells whether one was. Numbers in flat
 * arrays: a `Set` of some million keys, and an object for each, take ten times the memory and most of the time.
 */
export class Growing {
  #states = new Float64Array(1 << 12);
  #from = new Int32Array(1 << 12);
  #labels = new Int32Array(1 << 12);
  /** Open addressing: the place of a state in the queue, plus one; 0 = free. */
  #table = new Int32Array(1 << 14);
  length = 0;

  constructor(first: number) {
    this.add(first, -1, 0);
  }

  state(at: number): number {
    return this.#states[at] ?? Number.NaN;
  }

  /** The state from which it was reached first. */
  from(at: number): number {
    return this.#from[at] ?? -1;
  }

  label(at: number): number {
    return this.#labels[at] ?? 0;
  }

  /** Takes a state in unless it is known. */
  add(state: number, from: number, label: number): void {
    if (!Number.isSafeInteger(state)) throw new Error('a state has no room in a number');
    let slot = slotOf(state, this.#table.length);
    for (let at = this.#table[slot] ?? 0; at !== 0; at = this.#table[slot] ?? 0) {
      if (this.#states[at - 1] === state) return;
      slot = (slot + 1) & (this.#table.length - 1);
    }
    if (this.length === this.#states.length) this.#grow();
    this.#states[this.length] = state;
    this.#from[this.length] = from;
    this.#labels[this.length] = label;
    this.length += 1;
    if (this.length * 2 < this.#table.length) this.#table[slot] = this.length;
    else this.#rehash();
  }

  #grow(): void {
    const length = this.length * 2;
    const states = new Float64Array(length);
    const from = new Int32Array(length);
    const labels = new Int32Array(length);
    states.set(this.#states);
    from.set(this.#from);
    labels.set(this.#labels);
    [this.#states, this.#from, this.#labels] = [states, from, labels];
  }

  #rehash(): void {
    this.#table = new Int32Array(this.#table.length * 2);
    for (let at = 0; at < this.length; at++) {
      let slot = slotOf(this.#states[at] ?? 0, this.#table.length);
      while (this.#table[slot] !== 0) slot = (slot + 1) & (this.#table.length - 1);
      this.#table[slot] = at + 1;
    }
  }
}

/** The mixer of MurmurHash3 (Appleby) over both halves. */
function slotOf(state: number, length: number): number {
  let hash = Math.imul((state / 2 ** 32) | 0, 0x85ebca6b) ^ (state | 0);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) & (length - 1);
}
