import {
  CamelCasePlugin,
  ColumnNode,
  type OperationNode,
  PostgresDialect,
  PostgresQueryCompiler,
  ReferenceNode,
  type RootOperationNode,
  SelectionNode,
  TableNode,
} from 'kysely'
import { COLUMNS } from './generated/schema.ts'

/**
 * Names are in camel case here and in snake case in the database: answers are renamed by this plug-in, statements by `NamingDialect`,
 * which costs a fraction of rebuilding each of them. And where a statement asks for all of a table its columns are named, so that it
 * can be prepared: PostgreSQL refuses one that answers `*` once a newer controller has added a column.
 */
class Names extends CamelCasePlugin {
  override transformQuery({ node }: Parameters<CamelCasePlugin['transformQuery']>[0]): RootOperationNode {
    return named(node)
  }

  /** A name as the database has it. */
  inDatabase(name: string): string {
    return this.snakeCase(name)
  }
}

/** Of all connections. */
export const names = new Names({ maintainNestedObjectKeys: true })

/** PostgreSQL's, that writes names as the database has them. */
export class NamingDialect extends PostgresDialect {
  override createQueryCompiler(): PostgresQueryCompiler {
    return new NamingCompiler()
  }
}

class NamingCompiler extends PostgresQueryCompiler {
  override sanitizeIdentifier(identifier: string): string {
    return super.sanitizeIdentifier(names.inDatabase(identifier))
  }
}

function named(node: RootOperationNode): RootOperationNode {
  if (node.kind === 'SelectQueryNode') {
    const { selections, from, joins } = node
    if (selections === undefined) return node
    const only = from?.froms.length === 1 && joins === undefined ? from.froms[0] : undefined
    return { ...node, selections: selections.flatMap((one) => columnsOf(one, only)) }
  }
  const table =
    node.kind === 'InsertQueryNode'
      ? node.into
      : node.kind === 'UpdateQueryNode'
        ? node.table
        : node.kind === 'DeleteQueryNode' && node.using === undefined
          ? node.from.froms[0]
          : undefined
  if (!table || !('returning' in node) || node.returning === undefined) return node
  const selections = node.returning.selections.flatMap((one) => columnsOf(one, table))
  return { ...node, returning: { ...node.returning, selections } }
}

/** `only`: the one table that `*` without a name stands for. */
function columnsOf(asked: SelectionNode, only: OperationNode | undefined): readonly SelectionNode[] {
  const { selection } = asked
  if (selection.kind === 'SelectAllNode') {
    const columns = only && TableNode.is(only) ? known(only) : undefined
    return columns?.map((name) => SelectionNode.create(ColumnNode.create(name))) ?? [asked]
  }
  if (selection.kind !== 'ReferenceNode' || selection.column.kind !== 'SelectAllNode') return [asked]
  const { table } = selection
  const columns = table && known(table)
  return columns?.map((name) => SelectionNode.create(ReferenceNode.create(ColumnNode.create(name), table))) ?? [asked]
}

function known({ table }: TableNode): readonly string[] | undefined {
  const { name } = table.identifier
  // Whatever it is a name of: an alias is none of ours, or stands for the table that it is named after.
  return Object.hasOwn(COLUMNS, name) ? COLUMNS[name as keyof typeof COLUMNS] : undefined // Looked up just now.
}
