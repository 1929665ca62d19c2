/**
 * A process to be killed or stopped. `churn URL VOLUME SNAPSHOT FENCE` changes a volume for ever, in ways that leave its
 * bytes as they are, and prints each id before it is used, as a journal does; `hold DIRECTORY KEY` takes a lock, prints a
 * line, and keeps it.
 */
import type { SnapshotId, VolumeId } from '@moorage/contract'
import { fileStorage } from '../index.ts'
import { locked } from '../locks.ts'
import { call, newHost, newId, type RawProvider } from './calls.ts'

const [, , what, first = '', second = '', third = '', fence = '0'] = process.argv

if (what === 'hold') {
  await locked(first, [second], {
    call: call({ ms: 60_000 }),
    work: () =>
      new Promise(() => {
        process.stdout.write('at it\n')
        setInterval(() => undefined, 60_000)
      }),
  })
} else {
  const endpoint = { url: first, settings: {}, owner: 'installation' }
  const provider = fileStorage.open(endpoint) as RawProvider // Raw is the format when none is named.
  await churn(provider, second as VolumeId, third as SnapshotId) // The test passes ids.
}

async function churn(provider: RawProvider, volume: VolumeId, base: SnapshotId): Promise<never> {
  const source = { kind: 'volume', id: volume } as const
  const at = () => call({ fence: Number(fence) })
  for (;;) {
    const consumer = newHost()
    const [taken, cloned] = [newId<'snapshot'>(), newId<'volume'>()]
    process.stdout.write(`${consumer.id} ${taken} ${cloned}\n`)
    await provider.access.expose({ source, consumer, mode: 'rw', account: 'a' }, at())
    await provider.access.withdraw({ source, consumer }, at())
    await provider.revert.revert(volume, base, at())
    await provider.snapshots.create({ id: taken, volume }, at())
    const { bytes = 0 } = (await provider.volumes.get(volume, at())) ?? {}
    await provider.clones.clone({ kind: 'snapshot', id: taken }, { id: cloned, bytes, qos: {}, settings: {} }, at())
    await provider.snapshots.delete(taken, at())
    await provider.volumes.delete(cloned, at())
  }
}
