import type { Random } from "../../core/random.ts";
import type { Action } from "./action.ts";
import { act } from "./apply-action.ts";
import type { ClusterState } from "./cluster.ts";
import { StateDraft } from "./draft.ts";

/** The actions so far, and the state as they leave it. */
export class Plan {
  readonly actions: Action[] = [];
  readonly now: number;
  readonly random: Random;
  readonly #draft: StateDraft;

  constructor(state: ClusterState, now: number, random: Random) {
    this.#draft = new StateDraft(state);
    this.now = now;
    this.random = random;
  }

  /** Good until the next action. */
  get state(): ClusterState {
    return this.#draft.state;
  }

  add(action: Action): void {
    this.actions.push(action);
    act(this.#draft, action, this.now);
  }
}
