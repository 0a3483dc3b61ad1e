/** How an exchange ended, by its client. `left`: the client went away on purpose. */
export type SoakOutcome = string;

/** A kind of exchange, and how it may end while replicas are killed. */
export type Kind = {
  readonly name: string;
  readonly application: string;
  /** Each with the status that the proxy counts for it. */
  readonly allowed: Readonly<Record<SoakOutcome, string>>;
};

/** One exchange; `end` is called when its client knows how it ended. */
export type LedgerEntry = {
  readonly id: number;
  end(outcome: SoakOutcome): void;
};

/** Exchanges whose client went away: the proxy may have counted them in any way, or never have heard of them. */
export const LEFT = "left";

/** Every exchange of a soak and its one outcome. */
export class Ledger {
  /** Exchanges that ended a second time. */
  twiceCount = 0;
  readonly #outcomes = new Map<Kind, Map<SoakOutcome, number>>();
  readonly #ongoing = new Map<number, Kind>();
  #nextId = 1;

  /** Begins an exchange. */
  open(kind: Kind): LedgerEntry {
    const id = this.#nextId++;
    this.#ongoing.set(id, kind);
    return {
      id,
      end: (outcome) => {
        if (!this.#ongoing.delete(id)) {
          this.twiceCount += 1;
          return;
        }
        const counts = this.#outcomes.get(kind) ?? new Map<SoakOutcome, number>();
        this.#outcomes.set(kind, counts.set(outcome, (counts.get(outcome) ?? 0) + 1));
      },
    };
  }

  /** Exchanges without an outcome yet. */
  get ongoingCount(): number {
    return this.#ongoing.size;
  }

  /** Of each kind, how often each outcome came. */
  get outcomes(): ReadonlyMap<Kind, ReadonlyMap<SoakOutcome, number>> {
    return this.#outcomes;
  }

  /** What must not be, one line each. */
  problems(): readonly string[] {
    const problems: string[] = [];
    if (this.twiceCount > 0) problems.push(`${this.twiceCount} exchanges ended twice`);
    if (this.#ongoing.size > 0) {
      const names = [...this.#ongoing.values()].map(({ name }) => name);
      problems.push(`${this.#ongoing.size} exchanges never ended: ${names.slice(0, 5).join(", ")} …`);
    }
    for (const [{ name, allowed }, counts] of this.#outcomes) {
      for (const [outcome, count] of counts) {
        if (outcome !== LEFT && allowed[outcome] === undefined) problems.push(`${name}: ${count} × ${outcome}`);
      }
    }
    return problems;
  }
}
