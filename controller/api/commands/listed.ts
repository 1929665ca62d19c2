import type { Pending, TagView } from '../../store/queries/pending.ts'

/** The open job on a listed entity, as CloudStack shows it; nothing when there is none. */
export function pendingOn(view: { readonly pending?: Pending }): {
  readonly jobid?: string
  readonly jobstatus?: number
} {
  return view.pending === undefined ? {} : { jobid: view.pending.operation, jobstatus: 0 }
}

/** The tags of a listed entity, which has the account and domain of the entity. */
export function taggedOf(
  view: {
    readonly id: string
    readonly tags: readonly TagView[]
    readonly accountName: string
    readonly domainId: string
    readonly domainName: string
  },
  resourcetype: string,
) {
  return view.tags.map(({ key, value }) => ({
    key,
    value,
    resourcetype,
    resourceid: view.id,
    account: view.accountName,
    domainid: view.domainId,
    domain: view.domainName,
  }))
}

/** A share as CloudStack writes it, as `12.50%`; of nothing `0.00%`. */
export function percent(part: number, of: number): string {
  return `${((100 * part) / Math.max(1, of)).toFixed(2)}%`
}

/** The ids that a list is narrowed to by `id` and `ids`; `undefined` when by neither. */
export function idsOf(params: {
  readonly id?: string
  readonly ids?: readonly string[]
}): readonly string[] | undefined {
  if (params.id === undefined) return params.ids
  return params.ids === undefined || params.ids.includes(params.id) ? [params.id] : []
}
