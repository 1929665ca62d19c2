import { ownershipOf, ownerOf } from '../../operations/ownership.ts'
import { refuse } from '../../operations/refusals.ts'
import { deployVm } from '../../operations/vm-deploy.ts'
import { destroyVm, expungeVm } from '../../operations/vm-destroy.ts'
import { restoreVm } from '../../operations/vm-restore.ts'
import { rebootVm, startVm } from '../../operations/vm-start.ts'
import { stopVm } from '../../operations/vm-stop.ts'
import { changeVm, recoverVm } from '../../operations/vm-update.ts'
import { listVms, userDataOf } from '../../store/queries/vms.ts'
import { defineCommand, EVERYONE, type Finished, SUCCESS, TENANTS } from '../command.ts'
import { given } from '../given.ts'
import { keyword, ownerParams, ownershipParams } from '../ownership.ts'
import { entities, entity, flag, list as listOf, long, map, tags, text, unsupported } from '../params.ts'
import { field } from '../shape.ts'
import { idsOf } from './listed.ts'
import { oneVm, renderVm, vmShape } from './vm-shape.ts'

const virtualmachine = { key: 'virtualmachine', shape: vmShape } as const
const result = ({ system, subject }: Finished) => oneVm(system, subject)
const itself = entity('vm', { required: true, description: 'the ID of the virtual machine' })
const onHost = entity('host', { description: 'start it on this host and no other; for administrators' })

const deploy = defineCommand({
  name: 'deployVirtualMachine',
  kind: 'async-create',
  description:
    'Makes a virtual machine of a service offering and a template, with a root disk where the template is one, and a data disk if one is asked for, and starts it.',
  roles: TENANTS,
  params: {
    ...ownerParams,
    zoneid: entity('zone', { required: true, description: 'availability zone for the virtual machine' }),
    serviceofferingid: entity('serviceoffering', { required: true, description: 'the ID of the service offering' }),
    templateid: entity('template', { required: true, description: 'the ID of the template' }),
    name: text({ description: 'host name for the virtual machine' }),
    displayname: text({ description: 'a name for people' }),
    diskofferingid: entity('diskoffering', { description: 'disk offering of a data disk to go with it' }),
    size: long({ description: 'size of that disk in GiB, where its offering leaves it to the caller' }),
    hypervisor: text({ description: 'the hypervisor on which to deploy it: that of the template' }),
    hostid: onHost,
    rootdisksize: long({
      description: 'size of the root disk in GiB, where the template is one; not below the template',
    }),
    startvm: flag({ description: 'false: leave it stopped' }),
    userdata: text({ secret: true, length: 1_048_576, description: 'data to keep with the virtual machine' }),
    details: map({
      description:
        'minIops and maxIops: IOPS of the root disk, minIopsDo and maxIopsDo: those of the data disk, where the offering has custom IOPS',
    }),
    customid: text({ description: 'the id it shall have, a UUID; for administrators' }),
    networkids: entities('network', { description: 'networks to record as its nics: no network cards are made' }),
    securitygroupids: entities('securitygroup', {
      description: 'accepted for the sake of clients: nothing is filtered',
    }),
    keypair: text({ description: 'accepted for the sake of clients: no key is put anywhere' }),
    datadiskofferinglist: unsupported({ description: 'disk offerings of several data disks' }),
    overridediskofferingid: unsupported({ description: 'another disk offering for the root disk' }),
  },
  response: virtualmachine,
  result,
  async run({ system, caller, params }) {
    return deployVm(
      { system, caller },
      {
        account: await ownerOf({ system, caller }, params),
        zone: params.zoneid,
        offering: params.serviceofferingid,
        template: params.templateid,
        start: params.startvm ?? true,
        root: { qos: iopsOf(params.details, ''), ...given({ sizeGib: params.rootdisksize }) },
        ...given({
          name: params.name || undefined,
          displayName: params.displayname || undefined,
          hypervisor: params.hypervisor || undefined,
          host: params.hostid,
          userData: params.userdata || undefined,
          customId: params.customid || undefined,
          disk: diskOf(params),
          networks: params.networkids,
        }),
      },
    )
  },
})

function diskOf(params: {
  readonly diskofferingid?: string
  readonly size?: number
  readonly details?: Readonly<Record<string, string>>
}) {
  if (params.diskofferingid === undefined) return undefined
  return { offering: params.diskofferingid, qos: iopsOf(params.details, 'Do'), ...given({ sizeGib: params.size }) }
}

function iopsOf(details: Readonly<Record<string, string>> | undefined, suffix: '' | 'Do') {
  return given({ minIops: iopsIn(details, `minIops${suffix}`), maxIops: iopsIn(details, `maxIops${suffix}`) })
}

/** Names of details are read in whatever case, as clients differ. */
function iopsIn(details: Readonly<Record<string, string>> | undefined, name: string): number | undefined {
  const found = Object.entries(details ?? {}).find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1]
  if (found === undefined || found === '') return undefined
  if (/^[1-9]\d{0,11}$/.test(found)) return Number(found)
  throw refuse('INVALID', `Invalid parameter details: ${name} must be a whole number above 0`)
}

const start = defineCommand({
  name: 'startVirtualMachine',
  kind: 'async',
  description: 'Starts a virtual machine with its disks.',
  roles: TENANTS,
  params: { id: itself, hostid: onHost },
  response: virtualmachine,
  result,
  run: ({ system, caller, params: { id, hostid } }) =>
    startVm({ system, caller }, { vm: id, ...given({ host: hostid }) }),
})

const stop = defineCommand({
  name: 'stopVirtualMachine',
  kind: 'async',
  description: 'Stops a virtual machine; its host loses access to its disks.',
  roles: TENANTS,
  params: { id: itself, forced: flag({ description: 'true: without asking the guest' }) },
  response: virtualmachine,
  result,
  run: ({ system, caller, params: { id, forced } }) => stopVm({ system, caller }, { vm: id, forced: forced ?? false }),
})

const reboot = defineCommand({
  name: 'rebootVirtualMachine',
  kind: 'async',
  description: 'Restarts the guest of a virtual machine; the machine and its disks stay.',
  roles: TENANTS,
  params: { id: itself, forced: flag({ description: 'accepted for the sake of clients' }) },
  response: virtualmachine,
  result,
  run: ({ system, caller, params: { id } }) => rebootVm({ system, caller }, id),
})

const destroy = defineCommand({
  name: 'destroyVirtualMachine',
  kind: 'async',
  description:
    'Stops a virtual machine and puts it aside; or removes it for good. Its root disk goes with it, data disks that are not named stay.',
  roles: TENANTS,
  params: {
    id: itself,
    expunge: flag({ description: 'true: it goes at once and cannot be recovered' }),
    volumeids: entities('volume', { description: 'data disks of it that go as well' }),
  },
  response: virtualmachine,
  result,
  run: ({ system, caller, params: { id, expunge, volumeids } }) =>
    destroyVm({ system, caller }, { vm: id, expunge: expunge ?? false, volumes: volumeids ?? [] }),
})

const expunge = defineCommand({
  name: 'expungeVirtualMachine',
  kind: 'async',
  description: 'Removes a destroyed virtual machine for good, with its root disk. Its data disks stay.',
  roles: TENANTS,
  params: { id: itself },
  response: SUCCESS,
  run: ({ system, caller, params: { id } }) => expungeVm({ system, caller }, id),
})

const recover = defineCommand({
  name: 'recoverVirtualMachine',
  kind: 'sync',
  description: 'Takes back a virtual machine that was destroyed and not expunged yet, with its root disk.',
  roles: TENANTS,
  params: { id: itself },
  response: virtualmachine,
  async run({ system, caller, params: { id } }) {
    await recoverVm({ system, caller }, id)
    return { object: (await oneVm(system, id)) ?? {} }
  },
})

const restore = defineCommand({
  name: 'restoreVirtualMachine',
  kind: 'async',
  description:
    'Gives a virtual machine a root disk made anew from its template, or from another one. One that runs is stopped meanwhile, and started again.',
  roles: TENANTS,
  params: {
    virtualmachineid: itself,
    templateid: entity('template', { description: 'another template than its own' }),
    expunge: flag({ description: 'true: the old root disk goes at once and cannot be recovered' }),
  },
  response: virtualmachine,
  result,
  run: ({ system, caller, params: { virtualmachineid, templateid, expunge } }) =>
    restoreVm(
      { system, caller },
      { vm: virtualmachineid, expunge: expunge ?? false, ...given({ template: templateid }) },
    ),
})

const update = defineCommand({
  name: 'updateVirtualMachine',
  kind: 'sync',
  description: 'Changes how a virtual machine is called. A guest that runs keeps what it was started with.',
  roles: TENANTS,
  params: {
    id: itself,
    name: text({ description: 'new host name' }),
    displayname: text({ description: 'new name for people' }),
    userdata: text({ secret: true, length: 1_048_576, description: 'data to keep with the virtual machine' }),
    haenable: flag({ description: 'true: it is started elsewhere when its host is lost' }),
  },
  response: virtualmachine,
  async run({ system, caller, params: { id, name, displayname, userdata, haenable } }) {
    await changeVm(
      { system, caller },
      {
        vm: id,
        ...given({
          name: name || undefined,
          displayName: displayname || undefined,
          userData: userdata,
          ha: haenable,
        }),
      },
    )
    return { object: (await oneVm(system, id)) ?? {} }
  },
})

const userData = defineCommand({
  name: 'getVirtualMachineUserData',
  kind: 'sync',
  description:
    'Answers the data that is kept with a virtual machine: nothing else repeats it. Guests are not given it.',
  since: '4.4.0',
  roles: TENANTS,
  params: { virtualmachineid: itself },
  response: {
    key: 'virtualmachineuserdata',
    shape: {
      virtualmachineid: field.string('the ID of the virtual machine for which the data is kept'),
      userdata: field.string('the data, as it was given: base 64 by most clients'),
    },
  },
  async run({ system, params: { virtualmachineid } }) {
    return { object: { virtualmachineid, userdata: await userDataOf(system.store.reader, virtualmachineid) } }
  },
})

// What a filter names may have been removed since: CloudStack answers an empty list then, and clients wait for just that.
const list = defineCommand({
  name: 'listVirtualMachines',
  kind: 'sync',
  description: 'Lists virtual machines that are not expunged.',
  roles: EVERYONE,
  params: {
    ...ownershipParams,
    keyword,
    id: entity('vm', { removed: true, description: 'the ID of the virtual machine' }),
    ids: entities('vm', { removed: true, description: 'the IDs of the virtual machines' }),
    name: text({ description: 'name of the virtual machine, or a part of it' }),
    state: text({ description: 'state of the virtual machine' }),
    zoneid: entity('zone', { removed: true, description: 'the availability zone ID' }),
    hostid: entity('host', { removed: true, admin: true, description: 'the host ID' }),
    hypervisor: text({ description: 'the target hypervisor' }),
    templateid: entity('template', { removed: true, description: 'list vms by template' }),
    serviceofferingid: entity('serviceoffering', { removed: true, description: 'list by the service offering' }),
    details: listOf({ description: 'accepted for the sake of clients' }),
    tags: tags({ description: 'list virtual machines that carry these tags' }),
  },
  response: { ...virtualmachine, list: true },
  async run({ system, caller, params, page }) {
    const ids = idsOf(params)
    const { items, count } = await listVms(
      system.store.reader,
      {
        ownership: await ownershipOf({ system, caller }, params, { byId: ids !== undefined }),
        ...given({
          ids,
          name: params.name || undefined,
          keyword: params.keyword,
          state: params.state || undefined,
          zone: params.zoneid,
          host: params.hostid,
          hypervisor: params.hypervisor || undefined,
          template: params.templateid,
          serviceOffering: params.serviceofferingid,
          tags: params.tags,
        }),
      },
      page,
    )
    return { list: items.map(renderVm), count }
  },
})

/** The commands about virtual machines. */
export const vmCommands = [
  deploy,
  start,
  stop,
  reboot,
  destroy,
  expunge,
  recover,
  restore,
  update,
  userData,
  list,
] as const
