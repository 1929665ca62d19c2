import { migrateVm, migrationTargets } from '../../operations/vm-migrate.ts'
import { hostViews } from '../../store/queries/hosts.ts'
import { defineCommand, type Finished, OPERATORS, OPERATORS_READING } from '../command.ts'
import { given } from '../given.ts'
import { keyword } from '../ownership.ts'
import { cut } from '../paging.ts'
import { entity, flag, unsupported } from '../params.ts'
import { field } from '../shape.ts'
import { hostShape, renderHost } from './host-shape.ts'
import { oneVm, vmShape } from './vm-shape.ts'

const itself = entity('vm', { required: true, description: 'the ID of the virtual machine' })

const migrate = defineCommand({
  name: 'migrateVirtualMachine',
  kind: 'async',
  description: 'Moves a running virtual machine to another host. Its volumes stay where they are.',
  roles: OPERATORS,
  params: {
    virtualmachineid: itself,
    hostid: entity('host', { description: 'the host to which it moves; one that fits if not given' }),
    autoselect: flag({ description: 'accepted for the sake of clients: without hostid a host is chosen' }),
    storageid: unsupported({ description: 'another storage pool for its volumes' }),
  },
  response: { key: 'virtualmachine', shape: vmShape },
  result: ({ system, subject }: Finished) => oneVm(system, subject),
  run: ({ system, caller, params: { virtualmachineid, hostid } }) =>
    migrateVm({ system, caller }, { vm: virtualmachineid, ...given({ host: hostid }) }),
})

const targetShape = {
  ...hostShape,
  suitableformigration: field.boolean('true if the virtual machine could move there now'),
  requiresStorageMotion: field.boolean('true if its volumes would have to move too: never'),
  unsuitablereason: field.string('why it could not'),
} as const

const find = defineCommand({
  name: 'findHostsForMigration',
  kind: 'sync',
  description: 'Lists the other hosts of the Zone, and whether a running virtual machine could move there.',
  roles: OPERATORS_READING,
  params: { virtualmachineid: itself, keyword },
  response: { key: 'host', shape: targetShape, list: true },
  async run({ system, params, page }) {
    const targets = await migrationTargets(system, params.virtualmachineid)
    const views = await hostViews(
      system.store.reader,
      targets.map(({ host }) => host),
    )
    const asked = params.keyword?.toLowerCase()
    const wanted = views.filter(({ name }) => asked === undefined || name.toLowerCase().includes(asked))
    const shown = wanted.map((view) => {
      const why = targets.find(({ host }) => host === view.id)?.why
      const verdict = { suitableformigration: why === undefined, requiresStorageMotion: false }
      return { ...renderHost(view), ...verdict, ...given({ unsuitablereason: why }) }
    })
    return { list: cut(shown, page), count: shown.length }
  },
})

/** The commands that move running virtual machines. */
export const vmMigrationCommands = [migrate, find] as const
