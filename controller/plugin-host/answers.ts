import { PluginError } from '@moorage/contract'

/** What is wrong with an answer, or `undefined`. `args` are the call's own arguments. */
type Check = (answer: unknown, args: readonly unknown[]) => string | undefined

/**
 * Checks what everything else builds on: that an answer speaks of the object that was asked for, and that numbers are
 * numbers. A plug-in that breaks its contract elsewhere is for the conformance kit to find.
 */
export function checkAnswer(method: string, answer: unknown, args: readonly unknown[]): void {
  const fault = CHECKS[method]?.(answer, args)
  if (fault !== undefined) throw new PluginError('INTERNAL', `${method} answered ${fault}`, 'possible')
}

const volumeOf =
  (idOf: (args: readonly unknown[]) => unknown): Check =>
  (answer, args) => {
    if (!isRecord(answer)) return 'no object'
    if (answer['id'] !== idOf(args)) return `about ${String(answer['id'])} when asked about ${String(idOf(args))}`
    if (!isCount(answer['bytes'])) return 'bytes that are no whole number'
    return typeof answer['name'] === 'string' ? undefined : 'no name'
  }

const optional =
  (check: Check): Check =>
  (answer, args) =>
    answer === undefined ? undefined : check(answer, args)

const field = (value: unknown, name: string): unknown => (isRecord(value) ? value[name] : undefined)
const idOfSpec =
  (index: number) =>
  (args: readonly unknown[]): unknown =>
    field(args[index], 'id')
const firstArgument = (args: readonly unknown[]): unknown => args[0]

const page: Check = (answer) => (Array.isArray(field(answer, 'items')) ? undefined : 'no list of items')
const appliedQos: Check = (answer) =>
  isRecord(field(answer, 'applied')) && Array.isArray(field(answer, 'clamped')) ? undefined : 'no applied vector'
const connection: Check = (answer) => (typeof field(answer, 'via') === 'string' ? undefined : 'no connection')

const disk: Check = (answer, args) => {
  if (field(answer, 'volume') !== field(args[1], 'volume')) return 'about another volume'
  return isCount(field(answer, 'generation')) ? undefined : 'no generation'
}

const vmOf =
  (idOf: (args: readonly unknown[]) => unknown): Check =>
  (answer, args) => {
    if (field(answer, 'id') !== idOf(args)) return 'about another VM'
    if (!Array.isArray(field(answer, 'disks'))) return 'no list of disks'
    const state = field(answer, 'state')
    return state === 'running' || state === 'paused' || state === 'stopped' ? undefined : `state ${String(state)}`
  }

const poolReport: Check = (answer) => {
  if (typeof field(answer, 'identity') !== 'string') return 'no identity'
  return isCount(field(answer, 'totalBytes')) && isCount(field(answer, 'usedBytes')) ? undefined : 'no capacity'
}

const hostReport: Check = (answer) => {
  if (typeof field(answer, 'identity') !== 'string' || typeof field(answer, 'initiator') !== 'string')
    return 'no identity'
  return isCount(field(answer, 'cpus')) && isCount(field(answer, 'memoryBytes')) ? undefined : 'no capacity'
}

const migrationProgress: Check = (answer) => {
  const state = field(answer, 'state')
  if (state === 'sent') return undefined
  if (state !== 'sending') return `state ${String(state)}`
  return isCount(field(answer, 'doneBytes')) && isCount(field(answer, 'totalBytes')) ? undefined : 'no progress'
}

const mirrorProgress: Check = (answer) => {
  const state = field(answer, 'state')
  if (state === 'same') return undefined
  if (state !== 'copying' && state !== 'comparing') return `state ${String(state)}`
  return isCount(field(answer, 'doneBytes')) && isCount(field(answer, 'totalBytes')) ? undefined : 'no progress'
}

const CHECKS: Readonly<Record<string, Check>> = {
  'pools.report': poolReport,
  'volumes.create': volumeOf(idOfSpec(0)),
  'volumes.get': optional(volumeOf(firstArgument)),
  'clones.clone': volumeOf(idOfSpec(1)),
  'resize.grow': volumeOf(firstArgument),
  'revert.revert': volumeOf(firstArgument),
  'snapshots.create': volumeOf(idOfSpec(0)),
  'snapshots.get': optional(volumeOf(firstArgument)),
  'access.expose': connection,
  'qos.apply': appliedQos,
  'inventory.list': page,
  'hosts.report': hostReport,
  'vms.start': vmOf(idOfSpec(0)),
  'vms.get': optional(vmOf(firstArgument)),
  'vms.reboot': vmOf(firstArgument),
  'disks.attach': disk,
  'resize.refresh': disk,
  'throttle.apply': appliedQos,
  'migration.describe': (answer) => (isRecord(answer) ? undefined : 'no description'),
  'migration.prepare': (answer) => (isRecord(answer) ? undefined : 'no ticket'),
  'migration.send': migrationProgress,
  'migration.arrive': vmOf(firstArgument),
  'migration.abandon': (answer) => (typeof field(answer, 'arrived') === 'boolean' ? undefined : 'neither yes nor no'),
  'migration.resume': vmOf(firstArgument),
  'mirror.copy': mirrorProgress,
  'mirror.switch': disk,
  'mirror.abandon': (answer) => (typeof field(answer, 'switched') === 'boolean' ? undefined : 'neither yes nor no'),
  'reach.prepare': (answer) => (typeof field(answer, 'reached') === 'boolean' ? undefined : 'neither yes nor no'),
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && Number(value) >= 0
}
