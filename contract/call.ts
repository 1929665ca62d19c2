/** What comes with every call across the contract. */
export interface Call {
  /** The same on every retry of one step (`operation/step`): the callee uses it to recognise its own work. */
  readonly key: string
  /** Epoch milliseconds after which nobody waits for the answer any more. */
  readonly deadline: number
  /** Aborted when the caller gives up; the effect is then unknown to the caller. */
  readonly signal: AbortSignal
  /**
   * A number that grows with every take-over of a resource. Where a late duplicate would do harm, the callee refuses
   * a call whose fence is below the highest it has accepted for that object, with `FENCED` and effect `none`.
   */
  readonly fence: number
}

/** A page of a listing. `next` is absent on the last page. */
export interface Page<Item> {
  readonly items: readonly Item[]
  readonly next?: string
}
