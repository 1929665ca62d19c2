import { expect, test } from 'vitest'
import { diskSpec, qos, vmSpec } from './parse.ts'

const volume = '5f0c1a52-6d8e-4b1c-9d6c-0a7b8c9d0e1f'
const disk = {
  volume,
  generation: 2,
  connection: { via: 'iscsi', portal: '127.0.0.1:3260', iqn: 'iqn.x:v', lun: 1, initiator: 'iqn.x:h' },
  mode: 'rw',
  serial: '5f0c1a526d8e4b1c9d6c',
  deviceId: 1,
  throttle: { totalIops: { max: 100, burst: 200, burstSeconds: 2.5 }, ioBytes: 4096 },
}
const vm = { id: volume, name: 'n', cpus: 1, memoryBytes: 1024, disks: [disk] }

test('what the contract sends is read as it is', () => {
  expect(vmSpec(vm)).toEqual(vm)
  expect(vmSpec({ ...vm, image: 'guest' })).toEqual({ ...vm, image: 'guest' })
  const chap = { user: 'u', secret: 's' }
  expect(diskSpec({ ...disk, connection: { ...disk.connection, chap } })).toMatchObject({ connection: { chap } })
  const file = { via: 'file', path: '/p', format: 'qcow2' }
  expect(diskSpec({ ...disk, connection: file }).connection).toEqual(file)
  const nbd = { via: 'nbd', uri: 'nbd://h:1', export: '' }
  expect(diskSpec({ ...disk, connection: nbd }).connection).toEqual(nbd)
})

test('what is wrong is named, with effect none', () => {
  const cases: readonly (readonly [unknown, string, string])[] = [
    [undefined, 'INVALID', 'spec must be an object'],
    [{ ...vm, disks: {} }, 'INVALID', 'spec.disks must be a list'],
    [{ ...vm, id: 'ABC' }, 'INVALID', 'id must be a lower-case UUID'],
    [{ ...vm, cpus: 0 }, 'INVALID', 'cpus must be a whole number in 1..255'],
    [{ ...vm, memoryBytes: 1.5 }, 'INVALID', 'memoryBytes must be'],
    [{ ...vm, disks: Array.from({ length: 25 }, () => disk) }, 'LIMIT', 'more than 24 disks'],
    [{ ...vm, disks: [{ ...disk, serial: 'a,b' }] }, 'INVALID', 'disk.serial must be'],
    [{ ...vm, disks: [{ ...disk, mode: 'rx' }] }, 'INVALID', "disk.mode must be 'rw' or 'ro'"],
    [{ ...vm, disks: [{ ...disk, generation: -1 }] }, 'INVALID', 'generation must be'],
    [{ ...vm, disks: [{ ...disk, connection: { via: 'rbd' } }] }, 'UNSUPPORTED', "over 'rbd'"],
    [{ ...vm, disks: [{ ...disk, throttle: { totalIops: { max: 0 } } }] }, 'INVALID', 'disk.throttle.totalIops.max'],
  ]
  for (const [spec, code, message] of cases) {
    expect(() => vmSpec(spec)).toThrow(expect.objectContaining({ code, effect: 'none' }))
    expect(() => vmSpec(spec)).toThrow(message)
  }
})

test('parts of a vector that nobody asked for stay absent', () => {
  expect(qos({}, 'qos')).toEqual({})
  expect(qos({ readBytes: { max: 5 } }, 'qos')).toEqual({ readBytes: { max: 5 } })
})
