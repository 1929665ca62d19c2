/** What may be done about a finding. */
export const FINDING_ACTIONS = ['adopt', 'recycle', 'ignore', 'repair'] as const
/** A name in `FINDING_ACTIONS`. */
export type FindingAction = (typeof FINDING_ACTIONS)[number]

/** In which respect back end and database disagree. */
export const FINDING_KINDS = ['orphan', 'ghost', 'drifted', 'duplicated', 'stale', 'foreign'] as const
/** A name in `FINDING_KINDS`. */
export type FindingKind = (typeof FINDING_KINDS)[number]

/** What is known of one class of findings. */
export interface FindingClassFacts {
  readonly kind: FindingKind
  /** Whose inventory shows it. */
  readonly at: 'pool' | 'host' | 'any'
  readonly meaning: string
  readonly actions: readonly FindingAction[]
  /** What `repair` does. Present exactly where it is allowed. */
  readonly repair?: string
  /** True where `repair` ends or gives up something for good, and is done only when that is confirmed. */
  readonly confirm?: true
}

/** Every class of findings, and what may be done about one. docs/reference/census.md is made from it. */
export const FINDING_CLASSES = {
  'orphan-volume': {
    kind: 'orphan',
    at: 'pool',
    meaning: 'a back-end volume that bears our mark and that no record knows',
    actions: ['adopt', 'recycle', 'ignore'],
  },
  'orphan-snapshot': {
    kind: 'orphan',
    at: 'pool',
    meaning: 'a snapshot on the array that bears our mark and that no record knows',
    actions: ['adopt', 'recycle', 'ignore'],
  },
  'orphan-vm': {
    kind: 'orphan',
    at: 'host',
    meaning: 'a machine that bears our mark and that no record knows',
    actions: ['repair', 'ignore'],
    repair: 'ends the machine',
    confirm: true,
  },
  'ghost-volume': {
    kind: 'ghost',
    at: 'pool',
    meaning: 'a volume that is recorded as present and is not on its array',
    actions: ['repair', 'ignore'],
    repair: 'records the volume as lost: state Error, its reservation given back, an event for its owner',
    confirm: true,
  },
  'ghost-snapshot': {
    kind: 'ghost',
    at: 'pool',
    meaning: 'a snapshot that is recorded as present and is not on its array',
    actions: ['repair', 'ignore'],
    repair: 'records the snapshot as lost: state Error, an event for its owner',
    confirm: true,
  },
  'ghost-exposure': {
    kind: 'ghost',
    at: 'pool',
    meaning: 'access that is recorded as given and that the array does not give',
    actions: ['repair', 'ignore'],
    repair: 'gives the access again',
  },
  'ghost-vm': {
    kind: 'ghost',
    at: 'host',
    meaning: 'a VM that is recorded as running and of which its host has no machine',
    actions: ['repair', 'ignore'],
    repair: 'stops the VM: what access it has left is withdrawn, and it is recorded as stopped',
  },
  'ghost-disk': {
    kind: 'ghost',
    at: 'host',
    meaning: 'a disk that is recorded as attached and that the machine does not have',
    actions: ['repair', 'ignore'],
    repair: 'plugs the disk again',
  },
  'drifted-size': {
    kind: 'drifted',
    at: 'pool',
    meaning: 'a volume that has another size on its array than is recorded',
    actions: ['repair', 'ignore'],
    repair: 'grows the smaller: the volume on its array, or the record with its reservation',
  },
  'drifted-state': {
    kind: 'drifted',
    at: 'pool',
    meaning: 'a volume that is on its array and recorded as intended only',
    actions: ['ignore'],
  },
  'drifted-access': {
    kind: 'drifted',
    at: 'pool',
    meaning: 'access that is given in another mode than is recorded',
    actions: ['repair', 'ignore'],
    repair: 'withdraws the access, which ends its sessions, and gives it anew',
    confirm: true,
  },
  'drifted-qos': {
    kind: 'drifted',
    at: 'pool',
    meaning: 'a volume on which its array enforces other limits than were applied',
    actions: ['repair', 'ignore'],
    repair: 'applies the limits again',
  },
  'drifted-disk': {
    kind: 'drifted',
    at: 'host',
    meaning: 'a disk whose generation or state differs from what is recorded',
    actions: ['repair', 'ignore'],
    repair: 'records the generation that the machine has, where that is the higher one',
  },
  'drifted-vm': {
    kind: 'drifted',
    at: 'host',
    meaning: 'a machine that runs although its VM is recorded as being on no host',
    actions: ['repair', 'ignore'],
    repair: 'ends the machine',
    confirm: true,
  },
  'duplicated-volume': {
    kind: 'duplicated',
    at: 'pool',
    meaning: 'a back-end volume that bears the id of a volume that lives in another pool',
    actions: ['recycle', 'ignore'],
  },
  'duplicated-vm': {
    kind: 'duplicated',
    at: 'host',
    meaning: 'a machine that runs although its VM is recorded as being on another host',
    actions: ['repair', 'ignore'],
    repair: 'ends the machine here',
    confirm: true,
  },
  'stale-exposure': {
    kind: 'stale',
    at: 'pool',
    meaning: 'access that is given and not recorded, or that was to be withdrawn',
    actions: ['repair', 'ignore'],
    repair: 'withdraws the access',
  },
  'stale-disk': {
    kind: 'stale',
    at: 'host',
    meaning: 'a disk of ours that a machine has and that is not recorded as attached to it',
    actions: ['repair', 'ignore'],
    repair: 'unplugs the disk',
  },
  'stale-structure': {
    kind: 'stale',
    at: 'any',
    meaning: 'something made to serve a volume that serves nobody: a target, a mount, a throttle, a process, a socket',
    actions: ['repair', 'ignore'],
    repair: 'removes it, where the back end can',
  },
  foreign: {
    kind: 'foreign',
    at: 'any',
    meaning:
      'objects that are not ours, counted by kind; their bytes are charged to the pool, and they are never touched',
    actions: ['ignore'],
  },
  unlisted: {
    kind: 'drifted',
    at: 'any',
    meaning: 'a pool or host that did not tell what it holds: nothing is known of it, and nothing there is called gone',
    actions: ['ignore'],
  },
} as const satisfies Readonly<Record<string, FindingClassFacts>>
/** A key of `FINDING_CLASSES`. */
export type FindingClass = keyof typeof FINDING_CLASSES

/** True for the name of a class: rows written by an older version have none. */
export function isFindingClass(name: string): name is FindingClass {
  return Object.hasOwn(FINDING_CLASSES, name)
}

/** What is known of a class. */
export function factsOf(name: FindingClass): FindingClassFacts {
  return FINDING_CLASSES[name]
}

/** States of a finding. `recycled`: quarantined, to be deleted once its time is over, unless it is adopted before. */
export type FindingState = 'open' | 'ignored' | 'recycled' | 'gone'

/**
 * What may be done about a finding now. What is recycled can be taken back by adopting it, or be left alone by
 * ignoring it; what is gone needs nothing. What is ignored can be taken up again, but not be ignored twice.
 */
export function allowedActions(name: FindingClass, state: FindingState): readonly FindingAction[] {
  const { actions } = factsOf(name)
  if (state === 'open') return actions
  if (state === 'ignored') return actions.filter((action) => action !== 'ignore')
  return state === 'recycled' ? actions.filter((action) => action === 'adopt' || action === 'ignore') : []
}
