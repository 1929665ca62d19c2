import { describe, expect, test } from 'vitest'
import { GIB } from '../domain/size.ts'
import { chooseHost, type HostLoad, type HostRequest } from './choose-host.ts'

const HOST: HostLoad = {
  id: 'a',
  name: 'host-a',
  plugin: 'qemu',
  zoneId: 'zone',
  clusterId: 'cluster',
  hypervisor: 'KVM',
  accepts: ['iscsi'],
  limits: { maxDisksPerVm: 4 },
  can: new Set(),
  cutOff: new Set(),
  state: 'Up',
  resourceState: 'Enabled',
  tags: [],
  cpus: 8,
  memoryBytes: 16 * GIB,
  usedMemoryBytes: 0,
}
const POOL = {
  id: 'pool',
  zoneId: 'zone',
  scope: 'ZONE',
  clusterId: null,
  hostId: null,
  hypervisor: null,
  protocols: ['iscsi'],
} as const
const REQUEST: HostRequest = {
  zoneId: 'zone',
  hypervisor: 'kvm',
  cpus: 2,
  memoryBytes: 4 * GIB,
  tags: [],
  charge: { iops: 0, rate: 0 },
  disks: 1,
  pools: [POOL],
}

describe('a host is refused', () => {
  test.each([
    ['is not the host asked for', { host: 'b' }, {}],
    ['is in another zone', {}, { zoneId: 'elsewhere' }],
    ['runs VMware', {}, { hypervisor: 'VMware' }],
    ['is Alert', {}, { state: 'Alert' }],
    ['is Maintenance', {}, { resourceState: 'Maintenance' }],
    ['is cut off from a pool of the volumes', {}, { cutOff: new Set(['pool']) }],
    ['lacks tag gpu', { tags: ['gpu'] }, {}],
    ['has 8 CPUs, 9 are needed', { cpus: 9 }, {}],
    ['has 1073741824 bytes of memory left, 4294967296 are needed', {}, { usedMemoryBytes: 15 * GIB }],
    ['takes 4 disks per VM, 5 are needed', { disks: 5 }, {}],
    ['does not reach a pool of the volumes', { pools: [{ ...POOL, scope: 'CLUSTER', clusterId: 'other' }] }, {}],
    ['does not speak the protocol of a pool of the volumes', { pools: [{ ...POOL, protocols: ['rbd'] }] }, {}],
  ] satisfies readonly (readonly [string, Partial<HostRequest>, Partial<HostLoad>])[])(
    'when it %s',
    (why, request, host) => {
      expect(chooseHost({ ...REQUEST, ...request }, [{ ...HOST, ...host }])).toEqual({
        refused: [{ host: 'host-a', why }],
      })
    },
  )
})

test('the host where the VM ran last is preferred, then the one with most memory left', () => {
  const full = { ...HOST, id: 'b', usedMemoryBytes: 8 * GIB }
  expect(chooseHost(REQUEST, [full, HOST])).toEqual({ host: 'a' })
  expect(chooseHost({ ...REQUEST, last: 'b' }, [full, HOST])).toEqual({ host: 'b' })
  expect(chooseHost({ ...REQUEST, last: 'b' }, [{ ...full, state: 'Down' }, HOST])).toEqual({ host: 'a' })
  expect(chooseHost(REQUEST, [])).toEqual({ refused: [] })
})
