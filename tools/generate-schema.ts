import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import type { Reader } from '@moorage/controller/store/store.ts'
import { openStore } from '@moorage/controller/store/open.ts'

/** The generated file: the types of all tables for Kysely. */
export const SCHEMA_FILE = join(import.meta.dirname, '../controller/store/generated/schema.ts')

/** Tables that only the migrations themselves use. */
const OWN_TABLES = new Set(['migration', 'migration_lock'])

const TYPES: Readonly<Record<string, string>> = {
  uuid: 'string',
  text: 'string',
  'text[]': 'string[]',
  'uuid[]': 'string[]',
  bigint: 'number',
  integer: 'number',
  smallint: 'number',
  'double precision': 'number',
  boolean: 'boolean',
  bytea: 'Buffer',
  jsonb: 'unknown',
  'timestamp with time zone': 'Date',
}

interface Column {
  readonly table: string
  readonly column: string
  readonly type: string
  readonly nullable: boolean
  readonly generated: boolean
  readonly defaulted: boolean
  /** Text of the column's check constraint, where it has one. */
  readonly check: string | null
}

/** The source of the generated file for a migrated database. Throws on a column type that it does not know. */
export async function schemaSource(reader: Reader): Promise<string> {
  const columns = await readColumns(reader)
  const tables = [...new Set(columns.map(({ table }) => table))]
  const rows = tables.map((table) => tableSource(table, columns))
  const used = ['Generated', 'GeneratedAlways', 'Selectable'].filter(
    (name) => name === 'Selectable' || rows.join().includes(`${name}<`),
  )
  return `${[
    `import type { ${used.join(', ')} } from 'kysely'`,
    '',
    '// Generated from store/migrations: do not edit.',
    '',
    ...rows,
    '/** The columns of each table, in their order. */',
    'export const COLUMNS = {',
    ...tables.map((table) => columnsSource(table, columns)),
    '} as const satisfies { readonly [Table in keyof Database]: readonly (keyof Database[Table])[] }',
    '',
    '/** All tables, for Kysely with the camel-case plug-in. */',
    'export interface Database {',
    ...tables.map((table) => `  ${camel(table)}: ${pascal(table)}Table`),
    '}',
    '',
    ...tables.flatMap((table) => [
      `/** \`${table}\` as selected. */`,
      `export type ${pascal(table)}Row = Selectable<${pascal(table)}Table>`,
    ]),
  ].join('\n')}\n`
}

/** In the order of creation; without columns that are marked as unused, which the next release may drop. */
async function readColumns(reader: Reader): Promise<readonly Column[]> {
  const { rows } = await sql<Column>`
    select c.relname as "table", a.attname as "column", format_type(a.atttypid, a.atttypmod) as type,
      not a.attnotnull as nullable, a.attidentity = 'a' as generated, a.atthasdef as defaulted,
      (select pg_get_constraintdef(k.oid) from pg_constraint k
        where k.conrelid = c.oid and k.contype = 'c' and k.conkey = array[a.attnum]) as "check"
    from pg_class c join pg_attribute a on a.attrelid = c.oid
    where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped
      and coalesce(col_description(c.oid, a.attnum), '') <> 'unused'
    order by c.oid, a.attnum`.execute(reader)
  return rows.filter(({ table }) => !OWN_TABLES.has(table))
}

function tableSource(table: string, columns: readonly Column[]): string {
  const lines = columns.filter((one) => one.table === table).map((one) => `  ${camel(one.column)}: ${typeSource(one)}`)
  return `/** Row of table \`${table}\`. */\nexport interface ${pascal(table)}Table {\n${lines.join('\n')}\n}\n`
}

function columnsSource(table: string, columns: readonly Column[]): string {
  const names = columns.filter((one) => one.table === table).map(({ column }) => `'${camel(column)}'`)
  const line = `  ${camel(table)}: [${names.join(', ')}],`
  // As the formatter breaks it.
  return line.length <= 120 ? line : `  ${camel(table)}: [\n${names.map((name) => `    ${name},\n`).join('')}  ],`
}

function typeSource(column: Column): string {
  const base = TYPES[column.type]
  if (base === undefined) throw new Error(`${column.table}.${column.column}: no TypeScript type for ${column.type}`)
  // A check that lists text values is a union of literals.
  const values = column.check?.includes('ARRAY[')
    ? [...column.check.matchAll(/'([^']*)'::text/g)].map(([, value]) => `'${value}'`)
    : []
  const type = `${values.length > 0 ? values.join(' | ') : base}${column.nullable ? ' | null' : ''}`
  if (column.generated) return `GeneratedAlways<${type}>`
  return column.defaulted ? `Generated<${type}>` : type
}

function camel(name: string): string {
  return name.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase())
}

function pascal(name: string): string {
  const text = camel(name)
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`
}

/** Writes the file from the migrations, applied to a scratch server. */
async function main(): Promise<void> {
  const dataDir = mkdtempSync(join(tmpdir(), 'moorage-schema-'))
  const log = { info: () => {}, warn: () => {}, error: () => {} }
  try {
    const store = await openStore({ dataDir, masterKey: Buffer.alloc(32), log, durable: false })
    const source = await schemaSource(store.reader)
    await store.close()
    writeFileSync(SCHEMA_FILE, source)
  } finally {
    rmSync(dataDir, { recursive: true, force: true })
  }
}

if (import.meta.main) await main()
