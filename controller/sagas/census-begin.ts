import type { Qos } from '@moorage/contract'
import {
  allowedActions,
  factsOf,
  type FindingAction,
  type FindingClass,
  isFindingClass,
} from '../domain/census-classes.ts'
import { Refusal } from '../domain/failures.ts'
import { readQos } from '../domain/qos.ts'
import { attachmentOf } from '../store/attachments.ts'
import { lockFinding } from '../store/findings.ts'
import type { CensusFindingRow } from '../store/generated/schema.ts'
import { hostById } from '../store/hosts.ts'
import { locationOf } from '../store/locations.ts'
import type { Tx } from '../store/store.ts'
import { lockVm } from '../store/vms.ts'
import { chapAccountOf, volumeById } from '../store/volumes.ts'
import { accessIn, diskIn, type FindingRef, stale } from './census-look.ts'
import { type Abroad, abroad } from './stopping.ts'

/** Do `action` about `finding`. `account` and `name` are of what is adopted. */
export interface CensusResolveInput {
  readonly finding: string
  readonly action: Exclude<FindingAction, 'ignore'>
  /** Whose an adopted object is to be, by id. */
  readonly account?: string
  readonly name?: string
  /** What is given up or ended for good is confirmed. */
  readonly confirm?: boolean
}

/** What is to be done, as far as the record says. Plain data: it stands in the journal. */
export interface Begun {
  readonly finding: FindingRef
  readonly action: CensusResolveInput['action']
  /** The volume concerned, where one is recorded: how it is to be. */
  readonly volume?: {
    readonly id: string
    readonly bytes: number
    readonly qos: Qos
    /** CHAP account of its owner. */
    readonly chapAccount: string
  }
  /** Its attachment, where there is one. */
  readonly attachment?: { readonly vm: string; readonly generation: number; readonly deviceId: number }
  /** The host concerned, where it is registered. */
  readonly initiator?: string
  /** Of a machine that is gone: what its VM has out there all the same. */
  readonly abroad?: Abroad
}

/** Throws `Refusal` unless the action is allowed for the finding as it stands. */
export function checkResolvable(
  row: Pick<CensusFindingRow, 'class' | 'state'>,
  input: Pick<CensusResolveInput, 'confirm'> & { readonly action: FindingAction },
): FindingClass {
  const { class: name, state } = row
  if (state === 'gone') throw stale()
  if (!isFindingClass(name)) throw new Refusal('INVALID', 'The finding is of an older version: take a census first')
  if (name === 'foreign' && input.action !== 'ignore')
    throw new Refusal(
      'INVALID',
      `Invalid parameter action: what is foreign is not ours and is never touched; a finding ${name} allows ignore only`,
    )
  const allowed = allowedActions(name, state)
  if (!allowed.includes(input.action)) {
    const may = allowed.length > 0 ? allowed.join(', ') : 'nothing'
    throw new Refusal('INVALID', `Invalid parameter action: a finding ${name} that is ${state} allows ${may}`)
  }
  const { confirm, repair } = factsOf(name)
  if (input.action === 'repair' && confirm === true && input.confirm !== true)
    throw new Refusal('INVALID', `Parameter confirm must be true: ${input.action} of ${name} ${repair ?? ''}`)
  return name
}

/** Reads the finding and what is recorded of its object, under its locks. */
export async function beginResolve(tx: Tx, input: CensusResolveInput): Promise<Begun> {
  const row = await lockFinding(tx, input.finding)
  if (!row) throw new Refusal('NOT_FOUND', `There is no finding ${input.finding}`)
  const name = checkResolvable(row, input)
  if (input.action === 'adopt' && input.account === undefined)
    throw new Refusal('INVALID', 'Parameter account is needed to adopt')
  const [kind, id = ''] = row.place.split(':')
  const finding: FindingRef = {
    class: name,
    place: { kind: kind === 'host' ? 'host' : 'pool', id },
    object: row.object,
  }
  const { volume, host } = idsIn(finding)
  return {
    finding,
    action: input.action,
    ...(volume === undefined ? {} : await recordedOf(tx, volume)),
    ...(await initiatorOf(tx, host)),
    ...(await abroadOf(tx, finding)),
  }
}

function idsIn({ object, place }: FindingRef): { readonly volume?: string; readonly host?: string } {
  const [kind, id = ''] = object.split(':')
  if (kind === 'volume' || kind === 'qos') return { volume: id }
  if (kind === 'disk') return { volume: diskIn(object).volume, host: place.id }
  if (kind !== 'exposure') return {}
  const { source, host } = accessIn(object)
  return source.kind === 'volume' ? { volume: source.id, host } : { host }
}

async function recordedOf(tx: Tx, id: string): Promise<Pick<Begun, 'volume' | 'attachment'>> {
  const row = await volumeById(tx, id)
  if (!row) return {}
  const location = await locationOf(tx, id)
  const attachment = await attachmentOf(tx, id)
  const { bytes, qosApplied, qosRequested, accountId } = row
  const qos = readQos(qosApplied ?? qosRequested)
  return {
    volume: { id, bytes: location?.bytes ?? bytes, qos, chapAccount: await chapAccountOf(tx, accountId) },
    ...(attachment
      ? { attachment: { vm: attachment.vmId, generation: attachment.generation, deviceId: attachment.deviceId } }
      : {}),
  }
}

async function abroadOf(tx: Tx, { class: name, object }: FindingRef): Promise<Pick<Begun, 'abroad'>> {
  if (name !== 'ghost-vm') return {}
  const vm = await lockVm(tx, object.slice('vm:'.length))
  return vm ? { abroad: await abroad(tx, vm.id, vm.hostId) } : {}
}

async function initiatorOf(tx: Tx, host: string | undefined): Promise<Pick<Begun, 'initiator'>> {
  const row = host === undefined ? undefined : await hostById(tx, host)
  return row ? { initiator: row.initiator } : {}
}
