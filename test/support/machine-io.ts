import { join } from 'node:path'
import { connectQmp, type QmpClient } from '@moorage/qmp'

/**
 * I/O of a machine without a guest on one of its disks, through its monitor. The host daemon holds that; so it must be dead.
 * `command` is one of qemu-io's, as `write -P 0x41 0 1M`; one that begins with `aio_` is answered before it is done.
 */
export async function machineIo(
  dir: string,
  at: { readonly vm: string; readonly volume: string },
  command: string,
): Promise<string> {
  return withMonitor(dir, at, async (qmp, { qdev }) => {
    const line = `qemu-io -d ${qdev.replace('/machine/peripheral/', '')} "${command}"`
    return qmp.execute<string>('human-monitor-command', { 'command-line': line }, { timeoutMs: 60_000 })
  })
}

/** Writes that the machine has begun on the disk and that ended, well or not: QEMU's own counters. */
export async function machineWrites(
  dir: string,
  at: { readonly vm: string; readonly volume: string },
): Promise<{ readonly done: number; readonly failed: number }> {
  return withMonitor(dir, at, async (_qmp, { stats }) => ({
    done: stats.wr_operations,
    failed: stats.failed_wr_operations,
  }))
}

/** An entry of `query-blockstats`, as far as it is read. */
interface Disk {
  readonly qdev: string
  readonly stats: { readonly wr_operations: number; readonly failed_wr_operations: number }
}

async function withMonitor<Result>(
  dir: string,
  at: { readonly vm: string; readonly volume: string },
  work: (qmp: QmpClient, disk: Disk) => Promise<Result>,
): Promise<Result> {
  const qmp = await connectQmp({ path: join(dir, 'vms', at.vm, 'q'), timeoutMs: 10_000 })
  try {
    const all = await qmp.execute<readonly Partial<Disk>[]>('query-blockstats')
    const disk = all.find(({ qdev }) => qdev?.includes(at.volume.replaceAll('-', '')))
    if (disk?.qdev === undefined || !disk.stats)
      throw new Error(`the machine of VM ${at.vm} has no volume ${at.volume}`)
    return await work(qmp, { qdev: disk.qdev, stats: disk.stats })
  } finally {
    qmp.close()
  }
}
