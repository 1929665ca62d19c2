import type { Effect, Endpoint, FailureCode } from '@moorage/contract'

/** What a controller asks of the process of a plug-in. Secrets travel in `endpoint` and nowhere else. */
export type Request =
  /** Opens a pool or host under a number of the controller's; the answer is its `Shape`. */
  | { readonly kind: 'open'; readonly id: number; readonly handle: number; readonly endpoint: Endpoint }
  | { readonly kind: 'close'; readonly handle: number }
  | {
      readonly kind: 'call'
      readonly id: number
      readonly handle: number
      readonly facet: string
      readonly method: string
      /** Each in a list of its own, which is empty for an argument that is `undefined`: JSON has no such value. */
      readonly args: readonly (readonly [] | readonly [unknown])[]
      readonly call: { readonly key: string; readonly deadline: number; readonly fence: number }
    }
  /** The caller of `id` has given up. */
  | { readonly kind: 'cancel'; readonly id: number }
  | { readonly kind: 'ping' }

/** What the process of a plug-in says. The controller believes none of it unchecked. */
export type Reply =
  | { readonly kind: 'ready'; readonly manifest: object }
  /** The module is no plug-in; the process ends. */
  | { readonly kind: 'unfit'; readonly why: string }
  | { readonly kind: 'answer'; readonly id: number; readonly value?: unknown }
  | {
      readonly kind: 'failure'
      readonly id: number
      readonly code: FailureCode
      readonly message: string
      readonly effect: Effect
    }
  | { readonly kind: 'pong' }

/** What an opened pool or host consists of: its data, and for each facet its methods and its data. */
export interface Shape {
  readonly data: Readonly<Record<string, unknown>>
  readonly facets: Readonly<
    Record<string, { readonly methods: readonly string[]; readonly data: Readonly<Record<string, unknown>> }>
  >
}
