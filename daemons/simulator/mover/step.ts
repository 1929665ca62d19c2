import type { MoverProgress, MoverResult, MoverTask } from '@moorage/contract'

/** What is known of a job at work. In memory only: it has secrets. */
export interface Work<Task extends MoverTask = MoverTask> {
  readonly task: Task
  /** Steps that were done, of two. */
  readonly steps: 0 | 1
  /** Chunks that were done, with the digests of those that are not zeros. */
  readonly chunks: ReadonlyMap<number, string | undefined>
  readonly readBytes: number
  readonly sentBytes: number
}

/** What a step comes to. */
export type Step =
  | { readonly progress: MoverProgress; readonly more: Work }
  | { readonly progress: MoverProgress; readonly result: MoverResult }
