/** What choosing an archive looks at. */
export interface ArchiveFacts {
  readonly id: string
  readonly name: string
  /** Name of its plug-in. */
  readonly provider: string
  readonly readOnly: boolean
  /** It does not answer just now. */
  readonly silent: boolean
  readonly full: boolean
}

/** What choosing a mover looks at. */
export interface MoverFacts {
  readonly id: string
  readonly name: string
  /** Protocols by which it reads and writes volumes and snapshots. */
  readonly accepts: readonly string[]
  /** Archive plug-ins that it has. */
  readonly archives: readonly string[]
  readonly silent: boolean
  /** Sources and targets to which it has, or is to have, access. */
  readonly busy: number
}

/** One of several, or why it is none: a word for each, for operators. */
export type Choice<Thing> = { readonly chosen: Thing } | { readonly none: readonly string[] }

/** The archive that a snapshot goes to: the one that its volume's chain is in where that can be, else the first that can. */
export function chooseArchive<Archive extends ArchiveFacts>(
  archives: readonly Archive[],
  chain?: string,
): Choice<Archive> {
  return choose(archives, {
    against: ({ readOnly, silent, full }) =>
      readOnly ? 'is read-only' : silent ? 'does not answer' : full ? 'is full' : undefined,
    order: (one, other) => Number(other.id === chain) - Number(one.id === chain),
    what: 'archive',
  })
}

/** The mover that gets from a pool that speaks `protocols` to an archive, or back: of those that can, the one with least to do. */
export function chooseMover<Mover extends MoverFacts>(
  movers: readonly Mover[],
  way: { readonly provider: string; readonly protocols?: readonly string[] },
): Choice<Mover> {
  const { provider, protocols } = way
  return choose(movers, {
    against: ({ silent, archives, accepts }) => {
      if (silent) return 'does not answer'
      if (!archives.includes(provider)) return `has no archives of provider ${provider}`
      if (protocols === undefined || protocols.some((each) => accepts.includes(each))) return undefined
      return `reads and writes by ${accepts.join(', ')}, the pool by ${protocols.join(', ')}`
    },
    order: (one, other) => one.busy - other.busy,
    what: 'mover',
  })
}

function choose<Thing extends { readonly name: string }>(
  things: readonly Thing[],
  by: {
    readonly against: (thing: Thing) => string | undefined
    readonly order: (one: Thing, other: Thing) => number
    readonly what: string
  },
): Choice<Thing> {
  const [chosen] = things.filter((thing) => by.against(thing) === undefined).toSorted(by.order)
  if (chosen) return { chosen }
  const none = things.map((thing) => `${by.what} ${thing.name} ${by.against(thing) ?? ''}`)
  return { none: none.length > 0 ? none : [`there is no ${by.what}`] }
}

/** A copy on an array of a snapshot that is archived. */
export interface ArchivedOnArray {
  readonly snapshot: string
  /** Epoch milliseconds of the point in time. */
  readonly takenAt: number
  /** It is there as the base of the next increment, and for nothing else. */
  readonly base: boolean
}

/**
 * What becomes of a volume's copies on its array once one more of its snapshots is archived. The newest that is archived is
 * what the next increment is told apart from, where the array tells changes at all; of those that are there for nothing else,
 * the others go.
 */
export function settleBase(
  archived: ArchivedOnArray,
  others: readonly ArchivedOnArray[],
  how: { readonly increments: boolean; readonly keepPrimary: boolean },
): { readonly base: boolean; readonly drop: readonly string[] } {
  const all = how.increments ? [archived, ...others] : []
  const newest = all.toSorted((one, other) => other.takenAt - one.takenAt)[0]?.snapshot
  const drop = others.filter(({ base, snapshot }) => base && snapshot !== newest).map(({ snapshot }) => snapshot)
  if (how.keepPrimary) return { base: false, drop }
  const base = newest === archived.snapshot
  return { base, drop: base ? drop : [...drop, archived.snapshot] }
}
