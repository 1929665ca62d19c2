import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { arrayCounter, type IoCounters, ioSince, machineCounter, NO_IO, plus, type Reading, UNREAD } from './usage.ts'

const io = (n: number): IoCounters => ({ readOps: n, writeOps: 2 * n, readBytes: 4096 * n, writeBytes: 8192 * n })
const life = (n: number) => machineCounter({ vm: 'a', life: n, host: 'h', generation: 1 })
const read = (source: string, n: number): Reading => ({ source, counters: io(n) })

describe('I/O between two readings', () => {
  it('is the difference of one counter', () => {
    expect(ioSince(read(life(1), 5), read(life(1), 9))).toEqual(io(4))
  })

  it('is all that a counter shows which begins with the disk', () => {
    expect(ioSince({ source: '', counters: NO_IO }, read(arrayCounter('p'), 3))).toEqual(io(3))
  })

  it('is all that a machine shows which was started anew, moved, or went down', () => {
    expect(ioSince(read(life(1), 5), read(life(2), 9))).toEqual(io(9))
    expect(ioSince(read(life(1), 5), read(life(1), 2))).toEqual(io(2))
  })

  it('is nothing where a counter is read for the first time that may be old', () => {
    expect(ioSince({ source: UNREAD, counters: NO_IO }, read(arrayCounter('p'), 3))).toEqual(NO_IO)
  })

  it('is nothing where the volume came from another pool, since carrying it counts there', () => {
    expect(ioSince(read(arrayCounter('p'), 3), read(arrayCounter('q'), 7))).toEqual(NO_IO)
  })

  it('sums up to what the guest did, whenever its machine starts anew, as long as somebody reads before', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('io' as const), n: fc.nat(1000) }),
      fc.record({ kind: fc.constantFrom('restart' as const, 'read' as const), n: fc.constant(0) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let [done, raw, number] = [0, 0, 1]
        let last: Reading = { source: '', counters: NO_IO }
        let sum = NO_IO
        const look = () => {
          const now = read(life(number), raw)
          const more = ioSince(last, now)
          expect(Math.min(more.readOps, more.writeOps, more.readBytes, more.writeBytes)).toBeGreaterThanOrEqual(0)
          sum = plus(sum, more)
          last = now
        }
        for (const { kind, n } of steps) {
          done += n
          raw += n
          if (kind !== 'io') look()
          if (kind === 'restart') [raw, number] = [0, number + 1]
        }
        look()
        expect(sum).toEqual(io(done))
      }),
    )
  })
})
