import { text } from '../api.ts'
import type { TourSnapshot } from './archive.ts'
import { must, type Tour, type TourVolume } from './volume.ts'
import { serialOf, type VolumeId } from '@moorage/contract'

/** Takes a snapshot on the array, destroys the pattern, reverts, and has it back: told by digests read outside of Moorage. */
export async function snapshotAndRevert(tour: Tour, volume: TourVolume, digest: string): Promise<TourSnapshot> {
  const { api, out, verifier } = tour
  await out.step('unmount, detach', async () => {
    await tour.guest.sh('umount /mnt/tour')
    const detached = await api.run('detachVolume', { id: volume.id })
    must(detached['virtualmachineid'] === undefined, 'a detached volume names no VM')
    return 'detached, session closed'
  })
  let before = ''
  await out.step('pattern read by qemu-img', async () => {
    must((await verifier.fileDigest(volume.id, '/pattern')) === digest, 'the digest is the guest’s')
    before = await verifier.digest(volume.id)
    return `same digest; whole volume ${before.slice(0, 16)}`
  })
  let snapshot = ''
  await out.step('snapshot on the array', async () => {
    const made = await api.run('createSnapshot', { volumeid: volume.id, locationtype: 'primary', name: 'tour' })
    snapshot = text(made, 'id')
    return `${text(made, 'state')}, ${text(made, 'locationtype')}`
  })
  await out.step('pattern destroyed', async () => {
    await api.run('attachVolume', { id: volume.id, virtualmachineid: tour.cloud.vm })
    const disk = await tour.guest.disk(volume.serial)
    await tour.guest.sh(`dd if=/dev/zero of=/dev/${disk} bs=1M count=64 oflag=direct && sync`, 120_000)
    await api.run('detachVolume', { id: volume.id })
    must((await verifier.digest(volume.id)) !== before, 'the volume is another')
    return '64 MiB of zeros over it'
  })
  await out.step('revert', async () => {
    await api.run('revertSnapshot', { id: snapshot })
    must((await verifier.digest(volume.id)) === before, 'every byte is back')
    must((await verifier.fileDigest(volume.id, '/pattern')) === digest, 'the pattern is back')
    return 'every byte is back, read by qemu-img'
  })
  return { id: snapshot, digest: before }
}

/** Makes a volume from the snapshot and compares the two beside each other in the guest. */
export async function volumeFromSnapshot(tour: Tour, volume: TourVolume, snapshot: string): Promise<TourVolume> {
  const { api, out, guest } = tour
  let clone: TourVolume = volume
  await out.step('volume from the snapshot, compared', async () => {
    const made = await api.run('createVolume', { name: 'tour-clone', snapshotid: snapshot, zoneid: tour.cloud.zone })
    const id = text(made, 'id')
    clone = { id, serial: serialOf(id as VolumeId) } // Ids of volumes come from the API as text.
    for (const each of [volume, clone]) await api.run('attachVolume', { id: each.id, virtualmachineid: tour.cloud.vm })
    const one = await guest.disk(volume.serial)
    const other = await guest.disk(clone.serial)
    await guest.sh(
      `mkdir -p /mnt/one /mnt/other && mount -o ro /dev/${one} /mnt/one && mount -o ro /dev/${other} /mnt/other && cmp /mnt/one/pattern /mnt/other/pattern && umount /mnt/one /mnt/other`,
      120_000,
    )
    return `/dev/${one} and /dev/${other} hold the same pattern`
  })
  return clone
}

/** Takes everything away again, and asks the census whether anything is left over. */
export async function cleanUp(
  tour: Pick<Tour, 'api' | 'out'>,
  volumes: readonly string[],
  snapshot: string,
): Promise<void> {
  const { api, out } = tour
  await out.step('detach, delete', async () => {
    await api.run('deleteSnapshot', { id: snapshot })
    for (const id of volumes) {
      const volume = (await api.list('listVolumes', { id }))[0] ?? {}
      if (volume['virtualmachineid'] !== undefined) await api.run('detachVolume', { id })
      await api.run('destroyVolume', { id, expunge: true })
    }
    return `${volumes.length} volumes and a snapshot`
  })
  await out.step('census', async () => {
    await api.run('runCensus')
    const left = (await api.list('listCensusFindings', { state: 'open' })).filter((one) => one['kind'] !== 'foreign')
    must(left.length === 0, `nothing is left over, yet: ${JSON.stringify(left)}`)
    return 'array, host and database agree; nothing left over'
  })
}
