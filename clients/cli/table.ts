/** Fields that say most, most first. */
const FIRST = [
  'id',
  'jobid',
  'name',
  'displayname',
  'username',
  'kind',
  'command',
  'forcommand',
  'state',
  'outcome',
  'step',
]
const MOST = 7
const WIDEST = 40

/** Rows as a table, or one object as a list of its fields. `columns`: those; absent: the first few that are there. */
export function tableOf(
  rows: readonly object[],
  options: { readonly fields: readonly string[]; readonly columns: readonly string[] | undefined },
): string {
  const there = options.fields.filter((field) => rows.some((row) => shown(row, field) !== ''))
  const usual = [...FIRST.filter((field) => there.includes(field)), ...there.filter((field) => !FIRST.includes(field))]
  const columns = options.columns ?? usual.slice(0, MOST)
  if (rows.length === 0 || columns.length === 0) return ''
  const cells = [
    columns.map((name) => name.toUpperCase()),
    ...rows.map((row) => columns.map((name) => shown(row, name))),
  ]
  const widths = columns.map((_, at) => Math.max(...cells.map((row) => row[at]?.length ?? 0)))
  return cells
    .map((row) =>
      row
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('')
}

/** One object, a field on each line. */
export function fieldsOf(object: object): string {
  const entries = Object.entries(object)
  const width = Math.max(0, ...entries.map(([name]) => name.length))
  return entries.map(([name, value]) => `${name.padEnd(width)}  ${textOf(value)}\n`).join('')
}

function shown(row: object, field: string): string {
  const value: unknown = new Map<string, unknown>(Object.entries(row)).get(field)
  const text = textOf(value)
  return text.length <= WIDEST ? text : `${text.slice(0, WIDEST - 1)}…`
}

function textOf(value: unknown): string {
  if (value === undefined || value === null) return ''
  return typeof value === 'string' ? value : JSON.stringify(value)
}
