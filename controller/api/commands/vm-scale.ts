import { scaleVm, scaleVmNow } from '../../operations/vm-scale.ts'
import { defineCommand, type Finished, TENANTS } from '../command.ts'
import { entity, flag, unsupported } from '../params.ts'
import { oneVm, vmShape } from './vm-shape.ts'

const virtualmachine = { key: 'virtualmachine', shape: vmShape } as const
const params = {
  id: entity('vm', { required: true, description: 'the ID of the virtual machine: it must be Stopped' }),
  serviceofferingid: entity('serviceoffering', { required: true, description: 'the ID of its new service offering' }),
  details: unsupported({ description: 'CPUs and memory of offerings that leave them to the caller: there are none' }),
  miniops: unsupported({ description: 'IOPS of the root disk' }),
  maxiops: unsupported({ description: 'IOPS of the root disk' }),
  automigrate: flag({ description: 'accepted for the sake of clients: no volume moves' }),
  shrinkok: flag({ description: 'accepted for the sake of clients: no volume shrinks' }),
} as const

const scale = defineCommand({
  name: 'scaleVirtualMachine',
  kind: 'async',
  description: 'Gives a stopped virtual machine another service offering.',
  roles: TENANTS,
  params,
  response: virtualmachine,
  result: ({ system, subject }: Finished) => oneVm(system, subject),
  run: ({ system, caller, params: { id, serviceofferingid } }) =>
    scaleVm({ system, caller }, { command: 'scaleVirtualMachine', vm: id, offering: serviceofferingid }),
})

const change = defineCommand({
  name: 'changeServiceForVirtualMachine',
  kind: 'sync',
  description: 'Gives a stopped virtual machine another service offering, at once.',
  roles: TENANTS,
  params,
  response: virtualmachine,
  async run({ system, caller, params: { id, serviceofferingid } }) {
    await scaleVmNow(
      { system, caller },
      { command: 'changeServiceForVirtualMachine', vm: id, offering: serviceofferingid },
    )
    return { object: (await oneVm(system, id)) ?? {} }
  },
})

/** The commands that change the service offering of virtual machines. */
export const vmScaleCommands = [scale, change] as const
