import { vmViews } from '../../store/queries/vms.ts'
import { defineCommand, EVERYONE } from '../command.ts'
import { cut } from '../paging.ts'
import { entity, text } from '../params.ts'
import { nicFields, renderCard } from './vm-shape.ts'

const list = defineCommand({
  name: 'listNics',
  kind: 'sync',
  description: 'Lists the networks that a virtual machine was to be in: records, of which nothing is made.',
  roles: EVERYONE,
  params: {
    virtualmachineid: entity('vm', { required: true, description: 'the ID of the virtual machine' }),
    nicid: text({ description: 'the ID of the nic' }),
    networkid: entity('network', { description: 'list nics of the network' }),
  },
  response: { key: 'nic', list: true, shape: nicFields },
  async run({ system, params: { virtualmachineid, nicid, networkid }, page }) {
    const [vm] = await vmViews(system.store.reader, [virtualmachineid])
    const all = (vm?.cards ?? []).map(renderCard)
    const found = all.filter(
      (nic) => (nicid === undefined || nic.id === nicid) && (networkid === undefined || nic.networkid === networkid),
    )
    return { list: cut(found, page), count: found.length }
  },
})

/** The command about network cards. */
export const nicCommands = [list] as const
