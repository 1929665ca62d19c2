import { randomUUID } from 'node:crypto'
import { Refusal } from '../domain/failures.ts'
import { jsonb } from '../store/json.ts'
import { insertMover, lockMover, moverOfIdentity, updateMover } from '../store/movers.ts'
import { zoneNow } from '../store/queries/places.ts'
import { sealSettings } from '../store/registrations.ts'
import { certain } from './certain.ts'
import { probe } from './probe.ts'
import { readRegistration, type RegistrationForm } from './settings.ts'
import { type By, note } from './submit.ts'
import { unlessTaken } from './taken.ts'

/** A mover to register. `name` absent: its url. */
export interface MoverRequest {
  readonly name?: string
  readonly zone: string
  readonly url: string
  readonly username: string
  readonly password: string
}

const FORM: RegistrationForm = {
  schemes: ['http'],
  settings: [
    { name: 'user', title: 'User', type: 'string', required: true, description: 'user of the mover' },
    { name: 'password', title: 'Password', type: 'secret', required: true, description: 'password of the mover' },
  ],
}

/**
 * Registers a mover that has just proven who it is, and answers its id. Refuses, with nothing stored: a url or credentials
 * that are wrong, a mover that does not answer, one that is registered already. Callers are operators.
 */
export async function addMover(by: By, request: MoverRequest): Promise<string> {
  const { store, plugins, installation } = by.system
  const details = { user: request.username, password: request.password }
  const read = readRegistration(FORM, { url: request.url, details })
  const registration = { ...read, url: read.url.replace(/\/$/, '') }
  const endpoint = {
    url: registration.url,
    settings: { ...registration.settings, ...registration.secrets },
    owner: installation,
  }
  const report = await probe('The mover', (call) => plugins.probeMover(endpoint, call))
  return unlessTaken('The mover that parameter url names is registered already', () =>
    store.transact(async (tx) => {
      if (!(await zoneNow(tx, request.zone)))
        throw new Refusal('NOT_FOUND', 'Unable to find the zone that parameter zoneid names')
      const known = await moverOfIdentity(tx, report.id)
      if (known !== undefined)
        throw new Refusal('INVALID', `The mover that parameter url names is registered already, as ${known}`)
      const id = randomUUID()
      const name = request.name ?? registration.url
      await insertMover(tx, {
        id,
        zoneId: request.zone,
        name,
        url: registration.url,
        settings: jsonb(registration.settings),
        sealedSettings: sealSettings(store, { kind: 'mover', id }, registration.secrets),
        identity: report.id,
        initiator: report.initiator,
        accepts: [...report.accepts],
        archives: [...report.archives],
        version: report.version,
        reportedAt: new Date(),
      })
      await note(tx, by, {
        type: 'MOVER.ADD',
        description: `Added mover ${name}`,
        resource: { kind: 'Mover', id },
      })
      return id
    }),
  )
}

/** Forgets a mover; it is not touched. What it has begun others go on with. Callers are operators. */
export async function removeMover(by: By, id: string): Promise<void> {
  await by.system.store.transact(async (tx) => {
    const mover = certain(await lockMover(tx, id), 'id')
    await updateMover(tx, id, { removedAt: new Date() })
    await note(tx, by, {
      type: 'MOVER.DELETE',
      description: `Removed mover ${mover.name}`,
      resource: { kind: 'Mover', id },
    })
  })
}
