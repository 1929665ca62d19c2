import type { Told } from '../operations/refusals.ts'
import type { Answer, Command } from './command.ts'
import { render } from './shape.ts'

/** Key of the one object on the outside of every answer to a command. */
export function envelopeOf(command: Pick<Command, 'name' | 'response'>): string {
  return command.response.envelope ?? `${command.name.toLowerCase()}response`
}

/** What stands in the envelope for an answer. An empty list is `{}`: no count, no array. */
export function contentOf(command: Command, answer: Answer, admin: boolean): Readonly<Record<string, unknown>> {
  const { key, shape, listShaped } = command.response
  if ('operation' in answer) {
    // Clients take an id beside the job for that of something new.
    const made = command.kind === 'async-create' && answer.id !== undefined ? { id: answer.id } : {}
    return { ...made, jobid: answer.operation }
  }
  if ('raw' in answer) return answer.raw
  if ('success' in answer) {
    const { success, displaytext } = answer
    return { success, ...(displaytext === undefined ? {} : { displaytext }) }
  }
  if ('object' in answer) {
    const object = render(shape, answer.object, { admin })
    return listShaped === true ? { count: 1, [key]: [object] } : { [key]: object }
  }
  if (answer.count === 0) return {}
  const items = answer.list.map((item) => render(shape, item, { admin }))
  return { count: answer.count, ...(items.length === 0 ? {} : { [key]: items }) }
}

/** CloudStack's answer to what went wrong. 401 has no `cserrorcode`; 9999 is CloudStack's for codes without an exception of their own. */
export function failureContent(told: Told): Readonly<Record<string, unknown>> {
  return {
    uuidList: [],
    errorcode: told.http,
    ...(told.http === 401 ? {} : { cserrorcode: told.cs ?? 9999 }),
    errortext: told.text,
  }
}

/** What of a failed operation stands in `jobresult`. */
export function jobFailure(told: Told): Readonly<Record<string, unknown>> {
  return { errorcode: told.http, errortext: told.text }
}
