/*
 * tgtd answers `show` and `stats` with text for people. These functions read the text of tgt 1.0.85
 * (`tgt_target_show_all`, `tgt_stat_line`, `iscsi_target_show_connections`, `iscsi_target_show_portals`).
 */

/** A logged-in session (`I_T nexus`). `sid` is unique among the sessions alive in one tgtd. */
export interface TgtSession {
  readonly sid: number
  readonly initiator: string
}

/** A logical unit. LUN 0 is tgtd's own controller, without a path. */
export interface TgtLun {
  readonly lun: number
  readonly type: string
  readonly scsiId: string
  readonly scsiSn: string
  readonly online: boolean
  readonly readonly: boolean
  readonly thin: boolean
  /** Absent without a backing store. */
  readonly path?: string
}

/** A target with everything that hangs on it. */
export interface TgtTarget {
  readonly tid: number
  readonly iqn: string
  readonly state: 'ready' | 'offline'
  readonly sessions: readonly TgtSession[]
  readonly luns: readonly TgtLun[]
  /** Names of the CHAP accounts that may log in. */
  readonly accounts: readonly string[]
  /** Addresses and initiator names that may log in; tgtd lists both alike. */
  readonly acl: readonly string[]
}

type Section = 'system' | 'nexus' | 'lun' | 'account' | 'acl'

const SECTIONS: Readonly<Record<string, Section>> = {
  'System information:': 'system',
  'I_T nexus information:': 'nexus',
  'LUN information:': 'lun',
  'Account information:': 'account',
  'ACL information:': 'acl',
}

interface Draft {
  tid: number
  iqn: string
  state: 'ready' | 'offline'
  sessions: { sid: number; initiator: string }[]
  luns: Record<string, string>[]
  accounts: string[]
  acl: string[]
}

/** Reads the answer to `target show`. */
export function parseTargets(text: string): readonly TgtTarget[] {
  const drafts: Draft[] = []
  let section: Section = 'system'
  for (const line of text.split('\n')) {
    const head = /^Target (\d+): (.*)$/.exec(line)
    if (head) {
      const [, tid = '', iqn = ''] = head
      drafts.push({ tid: Number(tid), iqn, state: 'ready', sessions: [], luns: [], accounts: [], acl: [] })
      section = 'system'
      continue
    }
    const item = line.trim()
    const draft = drafts.at(-1)
    if (draft === undefined || item === '') continue
    const next = SECTIONS[item]
    if (next) section = next
    else addLine(draft, section, item)
  }
  return drafts.map(({ luns, ...rest }) => ({ ...rest, luns: luns.map(lunOf) }))
}

/** Reads the answer to `lld show`: names of targets by id. */
export function parseTargetNames(text: string): ReadonlyMap<number, string> {
  return new Map([...text.matchAll(/^ +Target (\d+): (.*)$/gm)].map(([, tid = '', iqn = '']) => [Number(tid), iqn]))
}

function addLine(draft: Draft, section: Section, item: string): void {
  const [key, value] = split(item)
  if (section === 'account') draft.accounts.push(item)
  else if (section === 'acl') draft.acl.push(item)
  else if (section === 'system') {
    if (key === 'State') draft.state = value === 'offline' ? 'offline' : 'ready'
  } else if (section === 'nexus') {
    if (key === 'I_T nexus') draft.sessions.push({ sid: Number(value), initiator: '' })
    const session = draft.sessions.at(-1)
    if (key === 'Initiator' && session) session.initiator = value.replace(/ alias: .*$/, '')
  } else if (key === 'LUN') draft.luns.push({ LUN: value })
  else Object.assign(draft.luns.at(-1) ?? {}, { [key]: value })
}

/** Splits at the first `: ` only: initiator names and paths contain colons. */
function split(item: string): readonly [string, string] {
  const at = item.indexOf(': ')
  return at < 0 ? [item, ''] : [item.slice(0, at), item.slice(at + 2)]
}

function lunOf(fields: Readonly<Record<string, string>>): TgtLun {
  const path = fields['Backing store path'] ?? 'None'
  return {
    lun: Number(fields['LUN']),
    type: fields['Type'] ?? '',
    scsiId: fields['SCSI ID'] ?? '',
    scsiSn: fields['SCSI SN'] ?? '',
    online: fields['Online'] === 'Yes',
    readonly: fields['Readonly'] === 'Yes',
    thin: fields['Thin-provisioning'] === 'Yes',
    ...(path === 'None' ? {} : { path }),
  }
}

/** A connection of a session. */
export interface TgtConnection {
  readonly sid: number
  readonly cid: number
  readonly initiator: string
}

/** Reads the answer to `connection show`. */
export function parseConnections(text: string): readonly TgtConnection[] {
  const found: { sid: number; cid: number; initiator: string }[] = []
  let sid = 0
  for (const line of text.split('\n')) {
    const [key, value] = split(line.trim())
    if (key === 'Session') sid = Number(value)
    if (key === 'Connection') found.push({ sid, cid: Number(value), initiator: '' })
    const last = found.at(-1)
    if (key === 'Initiator' && last) last.initiator = value
  }
  return found
}

/** Counters of one session on one logical unit, since login. `Submitted` minus `Done` are under way. */
export interface TgtCounters {
  readonly tid: number
  readonly lun: number
  readonly sid: number
  readonly readOpsSubmitted: number
  readonly readBytes: number
  readonly readOps: number
  readonly writeOpsSubmitted: number
  readonly writeBytes: number
  readonly writeOps: number
  readonly errors: number
}

const COUNTER_COLUMNS = 12

/**
 * Reads the answer to `system stats`. Columns: target, LUN, session, then bytes and commands of reads submitted, reads
 * done, writes submitted, writes done, and errors. The counters of a session are gone when it ends.
 */
export function parseCounters(text: string): readonly TgtCounters[] {
  const rows: TgtCounters[] = []
  for (const line of text.split('\n')) {
    const columns = line.trim().split(/\s+/).map(Number)
    if (columns.length !== COUNTER_COLUMNS || columns.some(Number.isNaN)) continue
    const [tid = 0, lun = 0, sid = 0, , readOpsSubmitted = 0, readBytes = 0, readOps = 0] = columns
    const [writeOpsSubmitted = 0, writeBytes = 0, writeOps = 0, errors = 0] = columns.slice(8)
    const reads = { readOpsSubmitted, readBytes, readOps }
    rows.push({ tid, lun, sid, ...reads, writeOpsSubmitted, writeBytes, writeOps, errors })
  }
  return rows
}

/** Reads the answer to `portal show`: `host:port` of each address on which tgtd really listens. */
export function parsePortals(text: string): readonly string[] {
  return [...text.matchAll(/^Portal: (.*),\d+$/gm)].map(([, portal = '']) => portal)
}

/** Reads the answer to `account show`: user names. */
export function parseAccounts(text: string): readonly string[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith(' '))
    .map((line) => line.trim())
}
