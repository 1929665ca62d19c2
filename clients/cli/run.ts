import { type ApiClient, createClient, type Progress } from '@moorage/api-client'
import { type Asked, checkNeeded, readAsked } from './arguments.ts'
import { helpOf } from './help.ts'
import { connectionOf } from './profiles.ts'
import { fieldsOf, tableOf } from './table.ts'

/** Where answers go, and what is known of the surroundings. */
export interface Terminal {
  readonly print: (text: string) => void
  /** Progress: not part of the answer. */
  readonly tell: (text: string) => void
  readonly env: Readonly<Record<string, string | undefined>>
  /** True where a line can be written over. */
  readonly tty: boolean
}

/** Follows `VERB NOUN ...`. Throws `UsageError`, `ApiError`, or what `fetch` throws when nobody answers. */
export async function ask(argv: readonly string[], terminal: Terminal): Promise<void> {
  const asked = readAsked(argv)
  const { words, params, output } = asked
  if (output.help) return terminal.print(helpOf(words))
  checkNeeded(asked)
  const client = createClient(connectionOf(terminal.env, output.profile))
  const { kind, key } = words.facts
  if (kind === 'list') return showList(asked, await listed(client, asked), terminal)
  const answer = await client.raw(words.command, params)
  if (kind === 'sync' || !output.wait) return showOne(asked, kind === 'sync' ? within(answer, key) : answer, terminal)
  const job = String(answer['jobid'])
  const result = await client.job(job, { progress: (progress) => terminal.tell(progressLine(progress, terminal.tty)) })
  if (terminal.tty) terminal.tell('\r\u001B[K')
  showOne(asked, within(result, key), terminal)
}

async function listed(client: ApiClient, { words, params }: Asked): Promise<readonly object[]> {
  const found: object[] = []
  // The table of commands says that this one lists; the API checks the parameters.
  const command = words.command as Parameters<ApiClient['list']>[0]
  for await (const one of client.list(command, params)) found.push(one)
  return found
}

function showList({ words, output }: Asked, rows: readonly object[], { print }: Terminal): void {
  const { fields } = words.facts
  print(output.json ? `${JSON.stringify(rows, undefined, 2)}\n` : tableOf(rows, { fields, columns: output.columns }))
}

function showOne({ output }: Asked, object: object, { print }: Terminal): void {
  const { columns } = output
  const shown =
    columns === undefined
      ? object
      : Object.fromEntries(Object.entries(object).filter(([name]) => columns.includes(name)))
  print(output.json ? `${JSON.stringify(shown, undefined, 2)}\n` : fieldsOf(shown))
}

/** The object under its key; in CloudStack's way a list may stand for its one object. */
function within(content: Readonly<Record<string, unknown>>, key: string): object {
  const found: unknown = content[key]
  const one: unknown = Array.isArray(found) ? found[0] : found
  return typeof one === 'object' && one !== null ? one : content
}

function progressLine({ job, state = 'waiting', step, done, total, unit }: Progress, tty: boolean): string {
  const much = done === undefined ? '' : `, ${done}${total === undefined ? '' : ` of ${total}`} ${unit ?? ''}`
  const line = `${job}: ${state}${step === undefined ? '' : ` at ${step}`}${much}`
  return tty ? `\r\u001B[K${line}` : `${line}\n`
}
