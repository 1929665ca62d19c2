import type { Call, QosCapability } from '@moorage/contract'
import { type Fields, invalid, label, text, whole } from '../check.ts'
import type { Store } from '../store.ts'

/** Disks of one machine, the root disk included. */
export const MOST_DISKS = 24
/** Limits that every simulated host keeps: throttling without a minimum. */
export const HOST_QOS: QosCapability = {
  axes: ['totalIops', 'readIops', 'writeIops', 'totalBytes', 'readBytes', 'writeBytes'],
  parts: ['max', 'burst', 'burstSeconds'],
  iops: { min: 10, max: 1_000_000 },
  ioBytes: 'free',
}

/** A host as it is stored. */
export interface HostRow {
  readonly name: string
  readonly cpus: number
  readonly memoryBytes: number
  readonly initiator: string
  /** JSON list of the arrays to which its network does not lead. */
  readonly cutOff: string
}

/** One call to one host, as one owner. */
export interface HostRequest {
  readonly store: Store
  readonly host: HostRow
  readonly owner: string
  readonly args: Fields
  readonly call: Call
}

/** Method `hosts/define`: makes a host or changes it; what is not named keeps its value. Idempotent. */
export function defineHost(store: Store, args: Fields): HostRow {
  const host = ensureHost(store, label(args['host'], 'host'))
  store.run(
    'UPDATE hosts SET cpus = ?, memoryBytes = ?, initiator = ?, cutOff = ? WHERE name = ?',
    args['cpus'] === undefined ? host.cpus : whole(args['cpus'], 'cpus', 1),
    args['memoryBytes'] === undefined ? host.memoryBytes : whole(args['memoryBytes'], 'memoryBytes', 1),
    args['initiator'] === undefined ? host.initiator : text(args['initiator'], 'initiator'),
    args['cutOff'] === undefined ? host.cutOff : JSON.stringify(labels(args['cutOff'], 'cutOff')),
    host.name,
  )
  return ensureHost(store, host.name)
}

/** The host of a name, made with defaults when it is named for the first time. */
function ensureHost(store: Store, name: string): HostRow {
  const find = () => store.one<HostRow>('SELECT * FROM hosts WHERE name = ?', name)
  const found = find()
  if (found) return found
  const row = {
    name,
    cpus: 64,
    memoryBytes: 512 * 1024 ** 3,
    initiator: `iqn.2025-01.io.moorage.simulator:host.${name}`,
    cutOff: '[]',
  }
  store.run('INSERT INTO hosts VALUES (?, ?, ?, ?, ?)', ...Object.values(row))
  return row
}

/** Reads who calls which host from the context that comes with every call. */
export function hostRequest(store: Store, args: Fields, call: Call): HostRequest {
  return {
    store,
    host: ensureHost(store, label(args['host'], 'host')),
    owner: text(args['owner'], 'owner'),
    args,
    call,
  }
}

/** Method `hosts/report`. */
export function reportHost({ store, host }: HostRequest): object {
  const { name, cpus, memoryBytes, initiator } = host
  const identity = `simulator/${store.instance}/host/${name}`
  return { identity, name, cpus, memoryBytes, initiator, version: 'simulator 1' }
}

function labels(value: unknown, name: string): readonly string[] {
  if (!Array.isArray(value)) throw invalid(`${name} must be a list`)
  return value.map((one: unknown, at) => label(one, `${name}[${at}]`))
}
