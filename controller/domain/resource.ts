/** Kinds of things that an operation may need alone. */
export const RESOURCE_KINDS = ['pool', 'host', 'vm', 'volume', 'snapshot', 'template', 'archive', 'census'] as const
/** A name in `RESOURCE_KINDS`. */
export type ResourceKind = (typeof RESOURCE_KINDS)[number]

/**
 * The name under which an operation holds a thing: `volume:ID`.
 * Who touches a volume holds `volume:ID`, and `vm:ID` of the VM it is attached to; what concerns a VM and its disks holds
 * `vm:ID` alone. Attach and detach, which change that relation, hold both: so either lock keeps the relation still.
 */
export function resourceName(kind: ResourceKind, id: string): string {
  return `${kind}:${id}`
}
