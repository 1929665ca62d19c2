import { type BackendSnapshot, PluginError, type SnapshotId, type VolumeId } from '@moorage/contract'
import { fields, invalid, text, uuid } from '../check.ts'
import type { ArrayRequest } from './array.ts'
import { admitSnapshot, backendSnapshot, needSnapshot, takeSnapshot } from './snapshots.ts'

const MOST_MEMBERS = 64

interface Member {
  readonly id: SnapshotId
  readonly volume: VolumeId
}

interface GroupRow {
  readonly id: string
  readonly members: string
  readonly expiresAt: number
  readonly committed: number
}

/** Method `group-snapshots/prepare`. Holds until the call's deadline; from then on the group is as if it had never been. */
export function prepareGroup(request: ArrayRequest): void {
  const { store, array, owner, call } = request
  const group = text(request.args['group'], 'group')
  const members = readMembers(request.args['members'])
  const found = findGroup(request, group)
  if (found && found.members !== JSON.stringify(members)) {
    throw new PluginError('CONFLICT', `group ${group} was prepared with other members`, 'none')
  }
  if (found?.committed === 1) return
  for (const member of members) {
    const besides = members.filter((other) => other.volume === member.volume).length - 1
    admitSnapshot(request, { ...member, besides })
  }
  store.run(
    `INSERT INTO groups VALUES (?, ?, ?, ?, ?, 0) ON CONFLICT(array, id) DO UPDATE
      SET members = excluded.members, expiresAt = excluded.expiresAt, owner = excluded.owner`,
    array.name,
    group,
    owner,
    JSON.stringify(members),
    call.deadline,
  )
}

/** Method `group-snapshots/commit`. All members get the same instant. */
export function commitGroup(request: ArrayRequest): readonly BackendSnapshot[] {
  const { store, array } = request
  const group = text(request.args['group'], 'group')
  const found = findGroup(request, group)
  if (!found) throw new PluginError('NOT_FOUND', `group ${group} is not prepared, or no longer`, 'none')
  const members = JSON.parse(found.members) as readonly Member[] // Written by prepareGroup only, from checked members.
  if (found.committed === 1) return members.map(({ id }) => backendSnapshot(store, needSnapshot(request, id)))
  const at = Date.now()
  const taken = members.map((member) => takeSnapshot(request, { ...member, at }))
  store.run('UPDATE groups SET committed = 1 WHERE array = ? AND id = ?', array.name, group)
  return taken
}

/** Method `group-snapshots/abort`. Forgets the group; snapshots that it has taken stay and are deleted one by one. */
export function abortGroup(request: ArrayRequest): void {
  const { store, array, owner } = request
  const group = text(request.args['group'], 'group')
  store.run('DELETE FROM groups WHERE array = ? AND id = ? AND owner = ?', array.name, group, owner)
}

function findGroup({ store, array, owner }: ArrayRequest, group: string): GroupRow | undefined {
  store.run('DELETE FROM groups WHERE array = ? AND committed = 0 AND expiresAt <= ?', array.name, Date.now())
  const row = store.one<GroupRow & { owner: string }>(
    'SELECT * FROM groups WHERE array = ? AND id = ?',
    array.name,
    group,
  )
  if (row && row.owner !== owner) throw new PluginError('CONFLICT', `group ${group} is of another owner`, 'none')
  return row
}

function readMembers(value: unknown): readonly Member[] {
  if (!Array.isArray(value) || value.length === 0) throw invalid('members must be a list that is not empty')
  if (value.length > MOST_MEMBERS) throw new PluginError('LIMIT', `members: at most ${MOST_MEMBERS}`, 'none')
  const members = value.map((item: unknown, index): Member => {
    const given = fields(item, `members[${index}]`)
    return { id: uuid(given['id'], `members[${index}].id`), volume: uuid(given['volume'], `members[${index}].volume`) }
  })
  if (new Set(members.map((member) => member.id)).size < members.length) throw invalid('members: an id occurs twice')
  return members
}
