import { backendName, targetName } from '../../operations/volume-backend.ts'
import { defineCommand, OPERATORS } from '../command.ts'
import { entity } from '../params.ts'
import { field } from '../shape.ts'

const params = { volumeid: entity('volume', { required: true, description: 'the ID of the volume' }) }

const path = defineCommand({
  name: 'getPathForVolume',
  kind: 'sync',
  description: 'Tells the name of a volume on its array.',
  roles: OPERATORS,
  params,
  response: { key: 'apipathforvolume', shape: { path: field.string('the name of the volume on its array') } },
  run: async ({ system, params: { volumeid } }) => ({ object: { path: await backendName(system, volumeid) } }),
})

const target = defineCommand({
  name: 'getVolumeiScsiName',
  kind: 'sync',
  description: 'Tells the iSCSI name of the target of a volume that a host reaches.',
  roles: OPERATORS,
  params,
  response: {
    key: 'apivolumeiscsiname',
    shape: { volumeiScsiName: field.string('the iSCSI qualified name of the target') },
  },
  run: async ({ system, params: { volumeid } }) => ({
    object: { volumeiScsiName: await targetName(system, volumeid) },
  }),
})

/** The commands about what a volume is to its array. */
export const volumeBackendCommands = [path, target] as const
