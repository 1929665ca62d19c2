import { migrateVolume } from '../../operations/volume-migrate.ts'
import { defineCommand, type Finished, OPERATORS } from '../command.ts'
import { given } from '../given.ts'
import { entity, flag, unsupported } from '../params.ts'
import { renderVolume, volumeShape } from './volume-shape.ts'

const migrate = defineCommand({
  name: 'migrateVolume',
  kind: 'async',
  description:
    'Moves a disk volume to another storage pool, also of another provider: attached or not, and live where a running virtual machine uses it. ' +
    'Both sides are compared, byte for byte, before it goes on in the other; what it leaves behind stays in the recycle bin for a time.',
  roles: OPERATORS,
  params: {
    volumeid: entity('volume', { required: true, description: 'the ID of the volume' }),
    storageid: entity('pool', { required: true, description: 'the storage pool to which it moves' }),
    livemigrate: flag({ description: 'true: also while a running virtual machine uses it' }),
    newdiskofferingid: unsupported({ description: 'another disk offering: see changeOfferingForVolume' }),
  },
  response: { key: 'volume', shape: volumeShape },
  result: ({ system, subject }: Finished) => renderVolume(system, subject),
  run: ({ system, caller, params: { volumeid, storageid, livemigrate } }) =>
    migrateVolume({ system, caller }, { volume: volumeid, pool: storageid, ...given({ live: livemigrate }) }),
})

/** The command that moves volumes between pools. */
export const volumeMigrationCommands = [migrate] as const
