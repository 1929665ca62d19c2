import { setTimeout as pause } from 'node:timers/promises'
import { sql } from 'kysely'
import type { Reader } from '../../../controller/store/store.ts'
import { text, type Api } from '../../../lab/api.ts'
import type { Ground } from './ground.ts'

/** What a load came to. Milliseconds; the pool is found and its reservation committed by `placed`, the job has ended by `attached`. */
export interface Load {
  readonly placed: readonly number[]
  readonly attached: readonly number[]
  /** Volumes placed in a second, each with the rest of its life. */
  readonly rate: number
}

interface Attach {
  readonly job: string
  /** Epoch milliseconds at which it was due. */
  readonly due: number
  readonly ended: number
}

/** Who loads whom. */
export interface Loading {
  readonly api: Api
  readonly reader: Reader
  readonly ground: Ground
  readonly clients: number
  /** Volumes that each client lets live, one after the other. */
  readonly lives: number
}

/** Closed loop: each client sends as soon as it has its answer. Measured from when a request is sent. */
export async function closedLoop(loading: Loading): Promise<Load> {
  return await loaded(loading, () => async () => now())
}

/**
 * Open loop: so many attaches a second in all, each client's at equal distances from a random begin on, whether those before were
 * answered or not. Measured from when a request was due, so that one that has to wait for those before it is as late as it is.
 */
export async function openLoop(loading: Loading, { rate }: { readonly rate: number }): Promise<Load> {
  const every = (loading.clients / rate) * 1000
  const began = now() + every
  return await loaded(loading, () => {
    const first = began + Math.random() * every
    return async (life) => {
      const due = first + life * every
      while (now() < due) await pause(due - now())
      return due
    }
  })
}

/** `turns` makes, for each client, what waits until its nth attach may be sent and answers when it was due. */
async function loaded(loading: Loading, turns: () => (life: number) => Promise<number>): Promise<Load> {
  const { api, reader, ground, clients, lives } = loading
  const attaches: Attach[] = []
  const client = async (virtualmachineid: string): Promise<void> => {
    const turn = turns()
    for (let life = 0; life < lives; life += 1) {
      const made = await api.run('createVolume', {
        name: 'bench',
        zoneid: ground.zone,
        diskofferingid: ground.offering,
      })
      const id = text(made, 'id')
      const due = await turn(life)
      const { job } = await api.submit('attachVolume', { id, virtualmachineid })
      await api.job(job)
      attaches.push({ job, due, ended: now() })
      await api.run('detachVolume', { id })
      await api.run('destroyVolume', { id, expunge: true })
    }
  }
  const began = now()
  await Promise.all(ground.vms.slice(0, clients).map(client))
  const seconds = (now() - began) / 1000
  return {
    placed: await placedAfter(reader, attaches),
    attached: attaches.map(({ due, ended }) => ended - due),
    rate: attaches.length / seconds,
  }
}

/**
 * The controller calls the array once the reservation has been committed, and keeps by its clock, which is ours, in which millisecond
 * that was: the end of it is what is taken.
 */
async function placedAfter(reader: Reader, attaches: readonly Attach[]): Promise<readonly number[]> {
  const jobs = attaches.map(({ job }) => job)
  const { rows } = await sql<{ readonly job: string; readonly began: number }>`
    select operation_id as job, min((detail ->> 'began')::double precision) as began from operation_log
    where operation_id = any(${jobs}::uuid[]) and kind = 'call' and step = 'create' group by operation_id`.execute(
    reader,
  )
  const called = new Map(rows.map(({ job, began }) => [job, began]))
  return attaches.map(({ job, due }) => {
    const began = called.get(job)
    if (began === undefined) throw new Error(`operation ${job} has no call of its array in its log`)
    return began + 1 - due
  })
}

/** Epoch milliseconds, with fractions. */
function now(): number {
  return performance.timeOrigin + performance.now()
}
