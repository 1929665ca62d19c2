import { type LogEntryView, logOf, waitedBehind } from '../store/queries/operation-log.ts'
import type { System } from './context.ts'
import { operationById, type ShownOperation } from './operations.ts'

/** What an entry of a timeline spans, from the outside in. */
export const TIMELINE_KINDS = ['queued', 'waited', 'run', 'step', 'undo', 'attempt', 'call', 'asked'] as const
/** A name in `TIMELINE_KINDS`. */
export type TimelineKind = (typeof TIMELINE_KINDS)[number]

/**
 * A span of an operation's life. Times are of the database's clock, those of calls of the clock of the controller that made
 * them. `end` absent: it goes on, or nobody lived to see its end.
 */
export interface TimelineEntry {
  readonly kind: TimelineKind
  readonly begin: Date
  readonly end?: Date
  /** Of a step, an undo, an attempt or a call. */
  readonly step?: string
  /** How it ended; absent while it goes on. */
  readonly outcome?: string
  /** Of a step or an undo: how often it was tried; of an attempt its number. */
  readonly attempts?: number
  /** Of a run: the controller. */
  readonly node?: string
  /** Of a run: its fence. */
  readonly fence?: number
  /** Of a call. */
  readonly target?: string
  readonly method?: string
  readonly effect?: string
  /** Of a wait: the operation that was before it, and what both needed. */
  readonly operation?: string
  readonly command?: string
  readonly resources?: readonly string[]
  /** More, for operators. */
  readonly note?: string
}

/**
 * The life of an operation in the order in which things began, from its journal and log alone: the same after any crash
 * and take-over. A call in which a controller was killed is not in it: its run and its attempt end as taken over.
 */
export async function timelineOf(system: System, id: string): Promise<readonly TimelineEntry[]> {
  const { reader } = system.store
  const [operation, log, before] = await Promise.all([
    operationById(system, id),
    logOf(reader, id),
    waitedBehind(reader, id),
  ])
  const waits = before.map(({ id: other, command, resources, endedAt }): TimelineEntry => {
    const end = endedAt === null ? {} : { end: endedAt, outcome: 'ended' }
    return { kind: 'waited', begin: operation.createdAt, ...end, operation: other, command, resources }
  })
  return inOrder([...waits, ...spansOf(operation, log)])
}

/** The spans that a log tells of, as it stands. */
function spansOf(
  operation: Pick<ShownOperation, 'state' | 'step' | 'createdAt'>,
  log: readonly LogEntryView[],
): readonly TimelineEntry[] {
  const life = new Life(operation.createdAt)
  for (const entry of log) life.tell(entry)
  return life.spans(operation)
}

function inOrder(entries: readonly TimelineEntry[]): readonly TimelineEntry[] {
  const rank = ({ kind }: TimelineEntry) => TIMELINE_KINDS.indexOf(kind)
  return entries.toSorted((a, b) => a.begin.getTime() - b.begin.getTime() || rank(a) - rank(b))
}

/** Reads a log from its beginning; remembers what has begun and not ended. */
class Life {
  readonly #done: TimelineEntry[] = []
  readonly #createdAt: Date
  #queued = true
  #run: { readonly begin: Date; readonly node?: string; readonly fence?: number } | undefined
  #forward = true
  #stepBegin: Date
  #attemptBegin: Date
  #attempts = 1

  constructor(createdAt: Date) {
    this.#createdAt = createdAt
    this.#stepBegin = createdAt
    this.#attemptBegin = createdAt
  }

  tell(entry: LogEntryView): void {
    const { at, kind, step, detail } = entry
    if (kind === 'claimed' || kind === 'taken over') this.#taken(entry)
    else if (kind === 'released') this.#endRun(at, 'released', said(detail, 'why'))
    else if (kind === 'call') this.#done.push(callOf(entry))
    else if (kind === 'retry') this.#retried(entry)
    else if (kind === 'step done') this.#endStep({ end: at, outcome: 'done', ...named(step) })
    else if (kind === 'step undone') this.#endStep({ end: at, outcome: 'undone', ...named(step) })
    else if (kind === 'undo begun') {
      this.#endStep({ end: at, outcome: said(detail, 'code') ?? 'failed', ...named(step) })
      this.#forward = false
    } else if (kind === 'abort asked' || kind === 'retry asked') {
      this.#done.push({ kind: 'asked', begin: at, end: at, outcome: kind })
    } else if (kind === 'ended') {
      this.#endQueue(at)
      this.#endRun(at, said(detail, 'state') ?? 'ended')
    }
  }

  /** All there is; what has not ended is there without an end. */
  spans({ state, step }: Pick<ShownOperation, 'state' | 'step'>): readonly TimelineEntry[] {
    const open: TimelineEntry[] = []
    if (this.#queued) open.push({ kind: 'queued', begin: this.#createdAt })
    if (this.#run) open.push({ kind: 'run', ...this.#run })
    if (!this.#queued && (state === 'running' || state === 'undoing')) {
      open.push({ kind: this.#kind(), begin: this.#stepBegin, attempts: this.#attempts, ...named(step) })
    }
    return [...this.#done, ...open]
  }

  #kind(): 'step' | 'undo' {
    return this.#forward ? 'step' : 'undo'
  }

  #taken({ at, kind, node, fence, step }: LogEntryView): void {
    this.#endQueue(at)
    if (kind === 'claimed') this.#stepBegin = at
    else {
      this.#endRun(at, 'taken over')
      this.#attempt({ end: at, outcome: 'taken over', ...named(step) })
    }
    this.#attemptBegin = at
    this.#run = { begin: at, ...(node === null ? {} : { node }), ...(fence === null ? {} : { fence }) }
  }

  #retried({ at, step, detail }: LogEntryView): void {
    this.#attempt({ end: at, outcome: 'failed', ...noted(said(detail, 'why')), ...named(step) })
    const inMs = typeof detail['inMs'] === 'number' ? detail['inMs'] : 0
    this.#attemptBegin = new Date(at.getTime() + inMs)
  }

  #attempt(how: Pick<TimelineEntry, 'end' | 'outcome' | 'step' | 'note'>): void {
    this.#done.push({ kind: 'attempt', begin: this.#attemptBegin, attempts: this.#attempts, ...how })
    this.#attempts += 1
  }

  #endStep(how: Required<Pick<TimelineEntry, 'end' | 'outcome'>> & Pick<TimelineEntry, 'step'>): void {
    this.#done.push({ kind: this.#kind(), begin: this.#stepBegin, attempts: this.#attempts, ...how })
    this.#stepBegin = how.end
    this.#attemptBegin = how.end
    this.#attempts = 1
  }

  #endQueue(at: Date): void {
    if (this.#queued) this.#done.push({ kind: 'queued', begin: this.#createdAt, end: at })
    this.#queued = false
  }

  #endRun(at: Date, outcome: string, note?: string): void {
    if (this.#run) this.#done.push({ kind: 'run', ...this.#run, end: at, outcome, ...noted(note) })
    this.#run = undefined
  }
}

function callOf({ at, step, detail }: LogEntryView): TimelineEntry {
  const ms = typeof detail['ms'] === 'number' ? detail['ms'] : 0
  const begin = typeof detail['began'] === 'number' ? new Date(detail['began']) : at
  const texts = ['target', 'method', 'outcome', 'effect'].flatMap((name) => {
    const text = said(detail, name)
    return text === undefined ? [] : [[name, text] as const]
  })
  const end = new Date(begin.getTime() + ms)
  return { kind: 'call', begin, end, ...named(step), ...Object.fromEntries(texts), ...noted(said(detail, 'message')) }
}

function said(detail: Readonly<Record<string, unknown>>, name: string): string | undefined {
  return typeof detail[name] === 'string' ? detail[name] : undefined
}

function named(step: string | null | undefined): { readonly step?: string } {
  return step === null || step === undefined ? {} : { step }
}

function noted(note: string | undefined): { readonly note?: string } {
  return note === undefined ? {} : { note }
}
