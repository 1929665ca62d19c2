import { join } from 'node:path'
import { wireClient } from '@moorage/wire'
import { text } from '../../lab/api.ts'
import { labCall } from '../../lab/guest.ts'
import { credentials, REPOSITORY } from '../../lab/layout.ts'
import { startDaemon, stopDaemon } from '../../lab/process.ts'
import { freePort } from '@moorage/wire/testing'
import type { RealLab } from './real-lab.ts'

/** A second host of a lab, in the cluster of the first. */
export interface SecondHost {
  readonly dir: string
  readonly id: string
  /** Starts its daemon, or finds it running. */
  start(): Promise<void>
  /** Stops its machines and ends its daemon, which must have ended when asked. Call it before the lab's own `stop`. */
  stop(): Promise<void>
}

/** Starts a second host daemon on this machine and registers it. */
export async function secondHost(lab: RealLab): Promise<SecondHost> {
  const { user, password, file } = credentials(lab.at.root, 'hostd2')
  const [dir, listen] = [join(lab.at.root, 'hostd2'), `127.0.0.1:${await freePort()}`]
  const initiator = 'iqn.2026-01.cloud.moorage:second-host'
  const options = ['--data', dir, '--listen', listen, '--credentials', file, '--initiator', initiator]
  const argv = [
    join(REPOSITORY, 'daemons/hostd/main.ts'),
    ...options,
    '--images',
    lab.at.images,
    '--name',
    'second-host',
  ]
  const start = async () => void (await startDaemon({ name: 'second host daemon', dir, argv }, { withinMs: 60_000 }))
  await start()
  const [pod] = await lab.api.list('listPods', { zoneid: lab.cloud.zone })
  const [cluster] = await lab.api.list('listClusters', { zoneid: lab.cloud.zone })
  const added = await lab.api.run('addHost', {
    zoneid: lab.cloud.zone,
    podid: text(pod ?? {}, 'id'),
    clusterid: text(cluster ?? {}, 'id'),
    hypervisor: 'KVM',
    url: `qemu://${listen}`,
    username: user,
    password,
  })
  return {
    dir,
    id: text(added, 'id'),
    start,
    async stop() {
      await start()
      await wireClient({ url: `http://${listen}`, user, password })('host/shutdown', {}, labCall(30_000))
      const how = await stopDaemon(dir, 30_000)
      if (how !== 'stopped') throw new Error(`the second host daemon was ${how} when asked to end`)
    },
  }
}
