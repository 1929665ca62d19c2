import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { MoverJob, MoverJobId } from '@moorage/contract'
import { writeDurably } from '@moorage/files'

/** What is kept of a job. Never its secrets: who asks again brings them. */
export interface JobRecord {
  readonly job: MoverJob
  /** What the task is about, by which another task under the same id is told. */
  readonly about: string
}

/** Jobs on disk, a file each: what one has come to survives its mover. */
export class JobRecords {
  readonly #directory: string
  readonly #known = new Map<MoverJobId, JobRecord>()

  private constructor(directory: string) {
    this.#directory = directory
  }

  static async open(directory: string): Promise<JobRecords> {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    const records = new JobRecords(directory)
    for (const name of await readdir(directory)) {
      if (!name.endsWith('.json')) continue
      const record = JSON.parse(await readFile(join(directory, name), 'utf8')) as JobRecord // Written whole, by us.
      records.#known.set(record.job.id, record)
    }
    return records
  }

  get(id: MoverJobId): JobRecord | undefined {
    return this.#known.get(id)
  }

  async set(record: JobRecord): Promise<void> {
    await writeDurably(join(this.#directory, `${record.job.id}.json`), JSON.stringify(record))
    this.#known.set(record.job.id, record)
  }

  async delete(id: MoverJobId): Promise<void> {
    await rm(join(this.#directory, `${id}.json`), { force: true })
    this.#known.delete(id)
  }
}
