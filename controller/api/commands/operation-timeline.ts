import { TIMELINE_KINDS, timelineOf, type TimelineEntry } from '../../operations/timeline.ts'
import { defineCommand, EVERYONE } from '../command.ts'
import { cut } from '../paging.ts'
import { entity } from '../params.ts'
import { field, type Rendered } from '../shape.ts'

const shape = {
  kind: field.string(`${TIMELINE_KINDS.slice(0, -1).join(', ')} or ${TIMELINE_KINDS.at(-1)}`),
  begin: field.date('when it began'),
  end: field.date('when it ended; absent while it goes on'),
  offsetms: field.long('milliseconds from when the operation was asked for until it began'),
  ms: field.long('milliseconds that it took'),
  step: field.string('the step'),
  outcome: field.string('how it ended: done, undone, failed, taken over, ok, a failure code or a state'),
  attempts: field.integer('of a step: how often it was tried; of an attempt: its number'),
  target: field.string('of a call: the pool or host, as pool:ID'),
  method: field.string('of a call: what was asked of it'),
  effect: field.string('of a failed call: whether the change may have happened: none or possible'),
  operation: field.string('of a wait: the operation that was before it'),
  command: field.string('of a wait: the command of that operation'),
  resources: field.strings('of a wait: what both needed'),
  node: field.string('of a run: the controller', { admin: true }),
  fence: field.long('of a run: its fence', { admin: true }),
  note: field.string('what else is known', { admin: true }),
} as const

const timeline = defineCommand({
  name: 'listOperationTimeline',
  kind: 'sync',
  description:
    'Lists the life of an operation in the order in which things began: queued, behind what, each run, step, attempt, call and undo.',
  extension: true,
  roles: EVERYONE,
  params: { id: entity('operation', { required: true, description: 'the operation' }) },
  response: { key: 'operationtimeline', shape, list: true },
  async run({ system, params, page }) {
    const all = await timelineOf(system, params.id)
    const origin = all[0]?.begin
    const shown = cut(all, page)
    return { count: all.length, list: shown.map((entry) => rendered(entry, origin ?? entry.begin)) }
  },
})

function rendered({ end, begin, resources, ...entry }: TimelineEntry, origin: Date): Rendered<typeof shape> {
  return {
    ...entry,
    begin,
    end,
    offsetms: begin.getTime() - origin.getTime(),
    ms: end && Math.max(0, end.getTime() - begin.getTime()),
    resources: resources && [...resources],
  }
}

/** The command about the life of an operation. */
export const timelineCommands = [timeline] as const
