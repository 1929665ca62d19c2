import { planPlacement } from '../../operations/placement-plan.ts'
import { type PlacementVerdict, verdictsOf } from '../../operations/placements.ts'
import { poolViews } from '../../store/queries/pools.ts'
import { defineCommand, EVERYONE, OPERATORS_READING } from '../command.ts'
import { given } from '../given.ts'
import { keyword } from '../ownership.ts'
import { cut } from '../paging.ts'
import { entity, flag, integer } from '../params.ts'
import { field, type Rendered } from '../shape.ts'
import { poolShape, renderPools } from './pool-shape.ts'

const verdictFields = {
  filter: field.string('the filter that judged; absent: all passed'),
  passed: field.boolean('whether it let the pool pass'),
  text: field.string('what it says', { admin: true }),
  lacking: field.strings('what is not there, where that is no number'),
  unit: field.string('of the numbers: bytes, IOPS or bytes per second; absent: a count'),
  needed: field.long('what is needed'),
  available: field.long('what is left of the limit'),
  limit: field.long('capacity times factor, down to the threshold'),
  capacity: field.long('the capacity'),
  factor: field.string('how many times it may be promised, and where that was set'),
  threshold: field.string('share of it up to which new volumes are taken, and where that was set'),
} as const

function renderVerdict(verdict: Partial<PlacementVerdict>): Rendered<typeof verdictFields> {
  const { filter, passed, text, lacking, unit, needed, available, limit, cap, factor, threshold } = verdict
  const term = (of: typeof factor) => of && `${of.value} (${of.scope})`
  const numbers = { unit, needed, available, limit, capacity: cap, factor: term(factor), threshold: term(threshold) }
  return { filter, passed, text, lacking: lacking && [...lacking], ...numbers }
}

const recordedShape = {
  volumeid: field.string('the volume that was to be placed'),
  placed: field.boolean('whether it was'),
  pool: field.integer('number of the pool in this placement'),
  poolid: field.string('the storage pool', { admin: true }),
  poolname: field.string('its name', { admin: true }),
  chosen: field.boolean('whether it was chosen'),
  score: field.string('share of it that would be free of what is scarcest there; the highest is chosen'),
  ...verdictFields,
} as const

const recorded = defineCommand({
  name: 'listOperationPlacements',
  kind: 'sync',
  description:
    'Lists why an operation put its volumes where they are, or found no place: of the chosen pool every verdict, of the others those that refused.',
  extension: true,
  roles: EVERYONE,
  params: { id: entity('operation', { required: true, description: 'the operation' }) },
  response: { key: 'operationplacement', shape: recordedShape, list: true },
  async run({ system, params, page }) {
    const all = await verdictsOf(system, params.id)
    const shown = cut(all, page).map((one) => ({
      volumeid: one.volume,
      placed: one.placed,
      pool: one.nth,
      poolid: one.pool,
      poolname: one.name,
      chosen: one.chosen,
      score: one.score?.toFixed(4),
      ...renderVerdict(one),
    }))
    return { list: shown, count: all.length }
  },
})

const planShape = {
  placed: field.boolean('whether it would fit now'),
  text: field.string('why nothing fits, or that something does'),
  change: field.string('the smallest change with which it would fit: it was tried'),
  changesize: field.long('of that change: the size in bytes'),
  changeminiops: field.long('of that change: the minimum IOPS'),
  changemaxiops: field.long('of that change: the maximum IOPS'),
  qostier: field.string('who would enforce the QoS: storage, hypervisor or none'),
  pools: field.list(
    {
      id: field.string('the storage pool'),
      name: field.string('its name'),
      chosen: field.boolean('whether it would be chosen'),
      score: field.string('share of it that would be free of what is scarcest there'),
      scorebytes: field.string('share of its bytes that would be free'),
      scoreiops: field.string('share of its IOPS that would be free'),
      scoreslots: field.string('share of its slots that would be free'),
      bytes: field.long('bytes that would be reserved'),
      iops: field.long('IOPS that would be reserved'),
      verdicts: field.list(verdictFields, 'what each filter says'),
    },
    'every storage pool with the verdict of every filter',
    { admin: true },
  ),
} as const

const plan = defineCommand({
  name: 'planVolumePlacement',
  kind: 'sync',
  description:
    'Tells whether and where a new or changed volume would fit now, and why, without changing anything: at creation, attach, resize, change of the offering or migration.',
  extension: true,
  roles: EVERYONE,
  params: {
    id: entity('volume', { description: 'the volume; none: a new one, of diskofferingid in zoneid' }),
    zoneid: entity('zone', { description: 'the zone of a new volume' }),
    diskofferingid: entity('diskoffering', { description: 'the disk offering; of a volume, another one' }),
    size: integer({ least: 1, description: 'the size in GiB' }),
    miniops: integer({ least: 0, description: 'min IOPS, where the offering lets them be chosen' }),
    maxiops: integer({ least: 0, description: 'max IOPS, likewise' }),
    virtualmachineid: entity('vm', { description: 'the virtual machine that is to use it' }),
    migrate: flag({ description: 'true: in another pool than the one where it lives' }),
  },
  response: { key: 'volumeplacement', shape: planShape },
  async run({ system, params }) {
    const { id, zoneid, diskofferingid, size, miniops, maxiops, virtualmachineid, migrate } = params
    const head = { volume: id, zone: zoneid, offering: diskofferingid, sizeGib: size, vm: virtualmachineid, migrate }
    const told = await planPlacement(system, { ...given(head), qos: given({ minIops: miniops, maxIops: maxiops }) })
    const { placed, text, change, pools } = told
    return {
      object: {
        placed,
        text,
        change: change?.text,
        changesize: change?.bytes,
        changeminiops: change?.minIops,
        changemaxiops: change?.maxIops,
        qostier: pools.find(({ chosen }) => chosen)?.candidate?.tier,
        pools: pools.map(({ pool, name, chosen, candidate, verdicts }) => ({
          id: pool,
          name,
          chosen,
          score: candidate?.score.toFixed(4),
          scorebytes: candidate?.scores.bytes.toFixed(4),
          scoreiops: candidate?.scores.iops.toFixed(4),
          scoreslots: candidate?.scores.slots.toFixed(4),
          bytes: candidate?.bytes,
          iops: candidate?.iops,
          verdicts: verdicts.map(renderVerdict),
        })),
      },
    }
  },
})

const targetShape = {
  ...poolShape,
  suitableformigration: field.boolean('true if the volume would fit there now'),
  unsuitablereason: field.string('why it would not'),
} as const

const find = defineCommand({
  name: 'findStoragePoolsForMigration',
  kind: 'sync',
  description: 'Lists the other storage pools of the zone of a volume, and whether it would fit there now.',
  roles: OPERATORS_READING,
  params: { id: entity('volume', { required: true, description: 'the ID of the volume' }), keyword },
  response: { key: 'storagepool', shape: targetShape, list: true },
  async run({ system, params, page }) {
    const { pools } = await planPlacement(system, { volume: params.id, migrate: true, qos: {} })
    const asked = params.keyword?.toLowerCase()
    const wanted = pools.filter(({ name }) => asked === undefined || name.toLowerCase().includes(asked))
    const some = cut(wanted, page)
    const views = await poolViews(
      system.store.reader,
      some.map(({ pool }) => pool),
    )
    const shown = (await renderPools(system, views)).map((view) => {
      const refusing = some.find(({ pool }) => pool === view.id)?.verdicts.filter(({ passed }) => !passed) ?? []
      const reason = refusing.map(({ filter, text }) => `${filter}: ${text}`).join('; ')
      return {
        ...view,
        suitableformigration: refusing.length === 0,
        ...(reason === '' ? {} : { unsuitablereason: reason }),
      }
    })
    return { list: shown, count: wanted.length }
  },
})

/** The commands about why volumes are where they are, and where they could be. */
export const placementCommands = [recorded, plan, find] as const
