import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { VolumeId } from '@moorage/contract'
import {
  attachmentOfDevice,
  HIGHEST_GENERATION,
  namesOf,
  nodesOf,
  remainsKey,
  remainsKeyOf,
  sideOf,
  volumeKey,
} from './names.ts'

const attachments = fc.record({
  volume: fc.uuid().map((id) => id as VolumeId), // Ids are UUIDs.
  generation: fc.integer({ min: 0, max: HIGHEST_GENERATION }),
})

test('names say which attachment they belong to, and fit where QEMU takes them', () => {
  fc.assert(
    fc.property(attachments, (attachment) => {
      const names = namesOf(attachment)
      expect(attachmentOfDevice(names.device)).toEqual(attachment)
      expect(attachmentOfDevice(`/machine/peripheral/${names.device}/virtio-backend`)).toEqual(attachment)
      for (const name of [names.format, names.protocol, names.secret]) {
        expect(name.length).toBeLessThanOrEqual(31)
        expect(name).toMatch(/^[a-z][a-z0-9-]*$/)
        expect(remainsKeyOf(name)).toBe(remainsKey(attachment))
      }
      expect(remainsKey(attachment).startsWith(`${volumeKey(attachment.volume)}-`)).toBe(true)
    }),
  )
})

test('the names of the second side are others, and say so', () => {
  fc.assert(
    fc.property(attachments, (attachment) => {
      const names = namesOf(attachment, 'second')
      expect(names.device).toBe(namesOf(attachment).device)
      for (const name of [names.format, names.protocol, names.secret]) {
        expect(name.length).toBeLessThanOrEqual(31)
        expect(name).toMatch(/^[a-z][a-z0-9-]*$/)
        expect(sideOf(name)).toBe('second')
        expect(remainsKeyOf(name)).toBe(remainsKey(attachment, 'second'))
      }
      expect(names).toMatchObject(nodesOf(remainsKey(attachment, 'second')))
      expect(remainsKey(attachment, 'second')).not.toBe(remainsKey(attachment))
    }),
  )
})

test('names that others gave are none of ours', () => {
  for (const name of ['', 'd-1', 'ide0-hd0', '/machine/unattached/device[5]', 'd-0123456789abcdef0123456789abcdef']) {
    expect(attachmentOfDevice(name)).toBeUndefined()
  }
  for (const name of ['#block123', 'v-short-1', 'x-0123456789abcdef0123-1', 'pc.ram']) {
    expect(remainsKeyOf(name)).toBeUndefined()
  }
})
