import { Refusal } from '../domain/failures.ts'
import { unfit } from '../placement/choose-host.ts'
import { chargeOf, hostRequest, knownOf } from '../sagas/choosing.ts'
import { hostLoads } from '../sagas/facts.ts'
import { servingPools } from '../sagas/start-begin.ts'
import { vmMigrate } from '../sagas/vm-migrate.ts'
import { attachmentsOfVm } from '../store/attachments.ts'
import { allHosts, hostById } from '../store/hosts.ts'
import { locationsOf } from '../store/locations.ts'
import { vmStanding } from '../store/queries/standing.ts'
import { vmById } from '../store/vms.ts'
import { certain } from './certain.ts'
import type { Submitted, System } from './context.ts'
import { type By, carriedOut, submit } from './submit.ts'

/** Which VM moves while it runs. `host` absent: wherever it fits. */
export interface MigrateRequest {
  readonly vm: string
  readonly host?: string
}

/** Submits the migration. Refuses a VM that is not Running, where no operation is open on it, and the host that it is on. */
export async function migrateVm(by: By, request: MigrateRequest): Promise<Submitted> {
  return await carriedOut(by, async (tx) => {
    const vm = certain(await vmStanding(tx, request.vm), 'virtualmachineid')
    if (!vm.busy && vm.state !== 'Running')
      throw new Refusal('INVALID', `A virtual machine in state ${vm.state} cannot be migrated: it must be Running`)
    if (request.host !== undefined) {
      const host = certain(await hostById(tx, request.host), 'hostid')
      if (host.zoneId !== vm.zoneId)
        throw new Refusal('INVALID', 'Invalid parameter hostid: the host is in another zone')
      if (!vm.busy && host.id === vm.hostId)
        throw new Refusal('INVALID', 'Invalid parameter hostid: the virtual machine is on that host already')
    }
    const operation = await submit(tx, by, {
      command: 'migrateVirtualMachine',
      head: vmMigrate,
      input: request,
      event: {
        type: 'VM.MIGRATE',
        description: `Migrating virtual machine ${vm.name}`,
        account: vm.accountId,
        resource: { kind: 'UserVm', id: vm.id },
      },
    })
    return { operation, id: vm.id }
  })
}

/** A host to which a VM might go. `why` it cannot; absent when it can. */
export interface MigrationTarget {
  readonly host: string
  readonly why?: string
}

/** Every other host of the VM's zone, and whether the VM could go there as things are now. Refuses a VM that is not Running. */
export async function migrationTargets(system: System, id: string): Promise<readonly MigrationTarget[]> {
  const { store } = system
  return store.transact(async (tx) => {
    const vm = certain(await vmById(tx, id), 'virtualmachineid')
    if (vm.state !== 'Running' || vm.hostId === null)
      throw new Refusal('INVALID', `A virtual machine in state ${vm.state} cannot be migrated: it must be Running`)
    const from = vm.hostId
    const rows = await allHosts(tx, vm.zoneId)
    const source = certain(
      rows.find((row) => row.id === from),
      'virtualmachineid',
    )
    const attachments = await attachmentsOfVm(tx, vm.id)
    const disks = attachments.map(({ volumeId }) => volumeId)
    const pools = await servingPools(system, tx, await locationsOf(tx, disks))
    const request = await hostRequest(tx, {
      vm,
      deviceIds: attachments.map(({ deviceId }) => deviceId),
      pools,
      charge: chargeOf(attachments),
    })
    const loads = await hostLoads(system, rows, await knownOf(tx, vm.zoneId, rows))
    const others = loads.filter((load) => load.id !== from)
    return others.map((load) => {
      const why = unfit({ ...request, from: { host: from, plugin: source.plugin } }, load)
      return { host: load.id, ...(why === undefined ? {} : { why }) }
    })
  })
}
