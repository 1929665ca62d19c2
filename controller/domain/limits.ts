/** What accounts and domains may have so much of, with CloudStack's numbers and names. Storage is counted in bytes. */
export const LIMITED = {
  vms: { type: 0, name: 'user_vm', unit: 1 },
  volumes: { type: 2, name: 'volume', unit: 1 },
  snapshots: { type: 3, name: 'snapshot', unit: 1 },
  templates: { type: 4, name: 'template', unit: 1 },
  cpus: { type: 8, name: 'cpu', unit: 1 },
  memory: { type: 9, name: 'memory', unit: 1024 ** 2 },
  primaryBytes: { type: 10, name: 'primary_storage', unit: 1024 ** 3 },
  secondaryBytes: { type: 11, name: 'secondary_storage', unit: 1024 ** 3 },
} as const satisfies Readonly<Record<string, { readonly type: number; readonly name: string; readonly unit: number }>>
/** A key of `LIMITED`. */
export type Limited = keyof typeof LIMITED

/** The names of `LIMITED`, in CloudStack's order. */
export const LIMITED_NAMES = [
  'vms',
  'volumes',
  'snapshots',
  'templates',
  'cpus',
  'memory',
  'primaryBytes',
  'secondaryBytes',
] as const

/** Amounts by kind: pieces, or bytes. Absent: none of it. */
export type Amounts = { readonly [Name in Limited]?: number }

/** The kind under CloudStack's number or name; `undefined` for kinds that are not limited here. */
export function limitedBy(asked: { readonly type?: number; readonly name?: string }): Limited | undefined {
  return LIMITED_NAMES.find((kind) => LIMITED[kind].type === asked.type || LIMITED[kind].name === asked.name)
}

/** Who is limited: an account, or a domain with all domains below it. */
export interface LimitOwner {
  readonly kind: 'account' | 'domain'
  readonly name: string
}

/**
 * Why something more would be too much, in CloudStack's words; `undefined` when it is not. `most`, `current` and `more` are
 * pieces or bytes; the text counts in the unit in which the limit is set.
 */
export function exceeds(
  kind: Limited,
  owner: LimitOwner,
  amounts: { readonly most: number; readonly current: number; readonly more: number },
): string | undefined {
  const { most, current, more } = amounts
  if (more <= 0 || current + more <= most) return undefined
  const { unit, name } = LIMITED[kind]
  const inUnits = (amount: number) => Math.ceil(amount / unit)
  const whose = owner.kind === 'account' ? `Account Name = ${owner.name}` : `Domain Name = ${owner.name}`
  const what = owner.kind === 'account' ? 'Account' : 'Domain'
  return (
    `Maximum amount of resources of Type = '${name}' for ${whose} has been exceeded. ` +
    `${what} Resource Limit = ${inUnits(most)}, Current ${what} Resource Amount = ${inUnits(current)}, ` +
    `Requested Resource Amount = ${inUnits(more)}.`
  )
}
