import type { System } from '../../operations/context.ts'
import { clustersOfZones, hostsOfClusters } from '../../store/queries/places-count.ts'
import { ioOfVms } from '../../store/queries/volume-io.ts'
import type { Command } from '../command.ts'
import { field, type Rendered, type Shape } from '../shape.ts'
import { clusterCommands } from './clusters.ts'
import { hostCommands } from './hosts.ts'
import { poolCommands } from './pools.ts'
import { vmCommands } from './vms.ts'
import { volumeCommands } from './volumes.ts'
import { zoneCommands } from './zones.ts'

/** An answered object, whatever command answers it. */
type Row = Readonly<Record<string, unknown>>

/** A list with figures beside what the plain list answers: what CloudStack's user interface asks for. */
interface Metrics<S extends Shape> {
  readonly of: string
  readonly envelope?: string
  readonly fields: S
  readonly figures: (system: System, rows: readonly Row[]) => Promise<(row: Row) => Rendered<S>>
}

/** Derives the command from the one that lists: same parameters, same rows, more fields. */
function metricsOf<const S extends Shape>(commands: readonly Command[], metrics: Metrics<S>): Command {
  const base = commands.find(({ name }) => name === metrics.of)
  if (base === undefined) throw new Error(`there is no command ${metrics.of}`)
  const { envelope, fields, figures } = metrics
  return {
    ...base,
    name: `${base.name}Metrics`,
    description: `${base.description} With figures beside them.`,
    response: {
      ...base.response,
      shape: { ...base.response.shape, ...fields },
      ...(envelope === undefined ? {} : { envelope }),
    },
    async run(request) {
      const answer = await base.run(request)
      if (!('list' in answer)) return answer
      // Each is an object that the plain command renders.
      const rows = answer.list as readonly Row[]
      const more = await figures(request.system, rows)
      return { ...answer, list: rows.map((row) => ({ ...row, ...more(row) })) }
    },
  }
}

const amount = (row: Row, name: string): number | undefined => {
  const value = row[name]
  return typeof value === 'number' ? value : undefined
}

/** Two digits and a unit, as CloudStack writes figures; nothing for what is not known. */
function figure(value: number | undefined, unit: { readonly of: number; readonly name: string }): string | undefined {
  return value === undefined ? undefined : `${(value / unit.of).toFixed(2)} ${unit.name}`
}
const GIB = { of: 2 ** 30, name: 'GiB' } as const
const GB = { of: 2 ** 30, name: 'GB' } as const
const MIB_OF_KIB = { of: 1024, name: 'MiB' } as const

const volumes = metricsOf(volumeCommands, {
  of: 'listVolumes',
  envelope: 'listvolumesresponse',
  fields: {
    sizegb: field.string('disk size in GiB'),
    diskiopstotal: field.long('read and write requests so far'),
  },
  figures: async () => (row) => {
    const [read, write] = [amount(row, 'diskioread'), amount(row, 'diskiowrite')]
    const both = read === undefined || write === undefined ? undefined : read + write
    return { sizegb: figure(amount(row, 'size'), GIB), diskiopstotal: both }
  },
})

const idsOf = (rows: readonly Row[]) => rows.map(({ id }) => String(id))

const vms = metricsOf(vmCommands, {
  of: 'listVirtualMachines',
  fields: {
    cputotal: field.string('the total cpu capacity in GHz'),
    memorytotal: field.string('the total memory capacity in GiB'),
    diskread: field.string('read from the disks that it has, in MiB'),
    diskwrite: field.string('written to the disks that it has, in MiB'),
    diskkbsread: field.long('KiB read from the disks that it has'),
    diskkbswrite: field.long('KiB written to the disks that it has'),
    diskioread: field.long('read requests to the disks that it has'),
    diskiowrite: field.long('write requests to the disks that it has'),
    diskiopstotal: field.long('read and write requests to the disks that it has'),
  },
  async figures(system, rows) {
    const io = await ioOfVms(system.store.reader, idsOf(rows))
    return (row) => {
      const found = io.get(String(row['id']))
      const kib = (bytes: number | undefined) => (bytes === undefined ? undefined : Math.floor(bytes / 1024))
      const [read, written] = [kib(found?.readBytes), kib(found?.writeBytes)]
      return {
        cputotal: `${(((amount(row, 'cpunumber') ?? 0) * (amount(row, 'cpuspeed') ?? 0)) / 1000).toFixed(1)} Ghz`,
        memorytotal: figure(amount(row, 'memory'), { of: 1024, name: 'GiB' }),
        diskread: figure(read, MIB_OF_KIB),
        diskwrite: figure(written, MIB_OF_KIB),
        diskkbsread: read,
        diskkbswrite: written,
        diskioread: found?.readOps,
        diskiowrite: found?.writeOps,
        diskiopstotal: found === undefined ? undefined : found.readOps + found.writeOps,
      }
    }
  },
})

const hosts = metricsOf(hostCommands, {
  of: 'listHosts',
  fields: {
    memorytotalgb: field.string('the total memory capacity in GiB'),
    memoryallocatedgb: field.string('the memory that is given to virtual machines in GiB'),
  },
  figures: async () => (row) => ({
    memorytotalgb: figure(amount(row, 'memorytotal'), GB),
    memoryallocatedgb: figure(amount(row, 'memoryallocated'), GB),
  }),
})

const pools = metricsOf(poolCommands, {
  of: 'listStoragePools',
  fields: {
    disksizeusedgb: field.string('disk size used in GiB'),
    disksizetotalgb: field.string('disk size in GiB, and how many times it may be promised'),
    disksizeallocatedgb: field.string('disk size that is promised in GiB'),
    disksizeunallocatedgb: field.string('disk size that is not promised in GiB'),
  },
  figures: async () => (row) => {
    const [total, allocated] = [amount(row, 'disksizetotal'), amount(row, 'disksizeallocated')]
    const left = total === undefined || allocated === undefined ? undefined : total - allocated
    return {
      disksizeusedgb: figure(amount(row, 'disksizeused'), GB),
      disksizetotalgb: figure(total, GB),
      disksizeallocatedgb: figure(allocated, GB),
      disksizeunallocatedgb: figure(left, GB),
    }
  },
})

const clusters = metricsOf(clusterCommands, {
  of: 'listClusters',
  fields: {
    state: field.string('whether virtual machines are placed there: Enabled or Disabled'),
    hosts: field.string('running / total hosts in the cluster'),
  },
  async figures(system, rows) {
    const hosts = await hostsOfClusters(system.store.reader, idsOf(rows))
    return (row) => {
      const { good, all } = hosts.get(String(row['id'])) ?? { good: 0, all: 0 }
      return { state: String(row['allocationstate']), hosts: `${good} / ${all}` }
    }
  },
})

const zones = metricsOf(zoneCommands, {
  of: 'listZones',
  fields: {
    state: field.string('whether virtual machines are placed there: Enabled or Disabled'),
    clusters: field.string('enabled / total clusters in the zone'),
  },
  async figures(system, rows) {
    const found = await clustersOfZones(system.store.reader, idsOf(rows))
    return (row) => {
      const { good, all } = found.get(String(row['id'])) ?? { good: 0, all: 0 }
      return { state: String(row['allocationstate']), clusters: `${good} / ${all}` }
    }
  },
})

/** The lists with figures beside them. */
export const metricsCommands: readonly Command[] = [volumes, vms, hosts, pools, clusters, zones]
