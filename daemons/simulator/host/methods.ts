import { type Fields, fields, uuid, whole } from '../check.ts'
import type { Claim } from '../fences.ts'
import { applyThrottle, attachDisk, detachDisk, readDisk, readDiskStats, readThrottle, refreshDisk } from './disks.ts'
import { type HostRequest, reportHost } from './host.ts'
import { listHostInventory } from './inventory.ts'
import { abandonVm, arriveVm, describeVm, prepareVm, resumeVm, sendVm } from './migration.ts'
import { abandonMirror, copyMirror, switchMirror } from './mirror.ts'
import { prepareReach } from './reach.ts'
import { freezeVm, getVm, rebootVm, startVm, stopVm, thawVm } from './vms.ts'

/** One method of a host: what it answers, and for a change what it claims. */
export interface HostMethod {
  readonly run: (request: HostRequest) => unknown
  readonly claims?: (request: HostRequest) => readonly Claim[]
}

/**
 * The methods of every host, named as in the wire library. Changes of a machine raise the machine's fence; changes of a
 * disk raise the disk's own and must not be below the machine's, so that attaching two disks at once is possible and a
 * late attach after a stop is not.
 */
export const HOST_METHODS: Readonly<Record<string, HostMethod>> = {
  'hosts/report': { run: reportHost },
  'vms/start': {
    run: startVm,
    claims: (request) => [...vmClaim(request, specId(request.args)), ...specDisks(request)],
  },
  'vms/get': { run: getVm },
  'vms/stop': { run: stopVm, claims: (request) => vmClaim(request, uuid(request.args['id'], 'id')) },
  'vms/reboot': { run: rebootVm, claims: (request) => vmClaim(request, uuid(request.args['id'], 'id')) },
  'disks/attach': { run: attachDisk, claims: (request) => [...diskClaim(request), ...generationClaim(request)] },
  'disks/detach': { run: detachDisk, claims: (request) => [...diskClaim(request), ...generationClaim(request)] },
  'inventory/list': { run: listHostInventory },
  'inventory/remove': { run: () => undefined },
  'reach/prepare': { run: prepareReach },
  'resize/refresh': { run: refreshDisk },
  'throttle/apply': { run: applyThrottle, claims: (request) => diskClaim(request) },
  'throttle/read': { run: readThrottle },
  'stats/read': { run: readDiskStats },
  'quiesce/freeze': { run: freezeVm, claims: (request) => vmClaim(request, uuid(request.args['vm'], 'vm')) },
  'migration/describe': { run: describeVm },
  'migration/prepare': {
    run: prepareVm,
    claims: (request) => [...vmClaim(request, specId(request.args)), ...specDisks(request)],
  },
  'migration/send': { run: sendVm, claims: (request) => vmClaim(request, uuid(request.args['vm'], 'vm')) },
  'migration/arrive': { run: arriveVm, claims: (request) => vmClaim(request, uuid(request.args['vm'], 'vm')) },
  'migration/abandon': { run: abandonVm, claims: (request) => vmClaim(request, uuid(request.args['vm'], 'vm')) },
  'migration/resume': { run: resumeVm, claims: (request) => vmClaim(request, uuid(request.args['vm'], 'vm')) },
  'mirror/copy': { run: copyMirror, claims: mirrorClaims },
  'mirror/switch': { run: switchMirror, claims: mirrorClaims },
  'mirror/abandon': { run: abandonMirror, claims: mirrorClaims },
  'quiesce/thaw': { run: thawVm, claims: (request) => vmClaim(request, uuid(request.args['vm'], 'vm')) },
}

function specId(args: Fields): string {
  return uuid(fields(args['spec'], 'spec')['id'], 'spec.id')
}

function vmKey({ host, owner }: HostRequest, vm: string): string {
  return `host/${host.name}/${owner}/vm/${vm}`
}

function vmClaim(request: HostRequest, vm: string): readonly Claim[] {
  return [{ object: vmKey(request, vm), number: request.call.fence, raises: true }]
}

function mirrorClaims(request: HostRequest): readonly Claim[] {
  return [...diskClaim(request, 'mirror'), ...generationClaim(request, 'mirror')]
}

function diskClaim(request: HostRequest, name = 'disk'): readonly Claim[] {
  const vm = vmKey(request, uuid(request.args['vm'], 'vm'))
  const volume = uuid(fields(request.args[name], name)['volume'], `${name}.volume`)
  const number = request.call.fence
  return [
    { object: vm, number, raises: false },
    { object: `${vm}/disk/${volume}`, number, raises: true },
  ]
}

function generationClaim(request: HostRequest, name = 'disk'): readonly Claim[] {
  const disk = fields(request.args[name], name)
  const vm = vmKey(request, uuid(request.args['vm'], 'vm'))
  const number = whole(disk['generation'], `${name}.generation`, 0)
  return [{ object: `${vm}/generation/${uuid(disk['volume'], `${name}.volume`)}`, number, raises: true }]
}

function specDisks(request: HostRequest): readonly Claim[] {
  const disks = fields(request.args['spec'], 'spec')['disks']
  const vm = vmKey(request, specId(request.args))
  const read = Array.isArray(disks) ? disks.map((disk: unknown, index) => readDisk(disk, `spec.disks[${index}]`)) : []
  return read.map(({ volume, generation }) => ({
    object: `${vm}/generation/${volume}`,
    number: generation,
    raises: true,
  }))
}
