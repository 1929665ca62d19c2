import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pause } from './deadline.ts'

/** How a machine is built. */
export type MachineShape =
  /** No guest: the processor never starts. Disks sit on a SCSI controller, which lets go of them without a guest's help. */
  | { readonly kind: 'bare' }
  /** A Linux guest from a directory with `vmlinux` and `initrd.cpio`. Disks are virtio-blk, plugged by ACPI. */
  | { readonly kind: 'guest'; readonly image: string; readonly cpus: number; readonly memoryBytes: number }
  /** As `guest`, with whatever guest the firmware, QEMU's SeaBIOS, finds on the disk of device id 0. */
  | { readonly kind: 'disk'; readonly cpus: number; readonly memoryBytes: number }

/** Files of one machine in its folder. Socket paths end at 107 bytes, hence the short names. */
export interface MachineFiles {
  readonly qmp: string
  readonly agent: string
  /** The guest's console. */
  readonly console: string
  /** What QEMU itself says. */
  readonly log: string
}

/** The files of the machine whose folder this is. */
export function machineFiles(folder: string): MachineFiles {
  return {
    qmp: join(folder, 'q'),
    agent: join(folder, 'a'),
    console: join(folder, 'console.log'),
    log: join(folder, 'qemu.log'),
  }
}

const QEMU = 'qemu-system-x86_64'
/** The guest's kernel and what runs from memory do not fit into less. */
const LEAST_GUEST_MIB = 96
const MIB = 1024 * 1024
/**
 * Shortens the boot under emulation to 2 s: no calibration of clocks that are good, no mitigations for a processor that is
 * a program, random numbers from the virtual processor.
 */
const KERNEL_ARGUMENTS =
  'console=ttyS0 panic=10 quiet tsc=reliable no_timer_check mitigations=off nokaslr random.trust_cpu=on rcupdate.rcu_expedited=1 audit=0'

/** QEMU's name for a machine of that installation: the mark of a process whose record is lost. */
function markOf(owner: string): string {
  return `moorage-${escaped(owner)}`
}

/** True when these are arguments of a machine that bears the mark of that installation. */
export function bearsMark(args: readonly string[], owner: string): boolean {
  return args[args.indexOf('-name') + 1] === markOf(owner)
}

/**
 * QEMU's arguments. Always emulated: /dev/kvm may exist, open and still be unusable under another hypervisor, which shows
 * only as a guest that never comes up.
 */
export function qemuArguments(
  id: string,
  files: MachineFiles,
  shape: MachineShape & { readonly owner: string; readonly incoming?: boolean },
): readonly string[] {
  const mark = markOf(shape.owner)
  const common = ['-nodefaults', '-no-user-config', '-display', 'none', '-name', mark, '-uuid', id, '-M', 'pc']
  // Nothing that a guest might make QEMU do needs another process or another user.
  const confined = ['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny']
  const control = ['-S', '-qmp', `unix:${escaped(files.qmp)},server=on,wait=off`]
  const incoming = shape.incoming === true ? ['-incoming', 'defer'] : []
  const machine = [...common, ...confined, ...control, ...incoming]
  if (shape.kind === 'bare')
    return [...machine, '-accel', 'tcg,tb-size=1', '-m', '16', '-device', 'virtio-scsi-pci,id=scsi']
  const mib = Math.max(LEAST_GUEST_MIB, Math.ceil(shape.memoryBytes / MIB))
  const processor = [
    '-accel',
    'tcg,tb-size=32',
    '-cpu',
    'qemu64,+rdrand',
    '-smp',
    String(shape.cpus),
    '-m',
    String(mib),
  ]
  const boot = shape.kind === 'guest' ? kernelIn(shape.image) : []
  const serial = ['-serial', `file:${files.console}`, '-device', 'virtio-serial']
  const line = ['-chardev', `socket,path=${escaped(files.agent)},server=on,wait=off,id=agent`]
  const agent = [...line, '-device', 'virtserialport,chardev=agent,name=org.qemu.guest_agent.0']
  return [...machine, ...processor, ...boot, ...serial, ...agent]
}

function kernelIn(image: string): readonly string[] {
  const [kernel, initrd] = [join(image, 'vmlinux'), join(image, 'initrd.cpio')]
  return ['-kernel', kernel, '-initrd', initrd, '-append', KERNEL_ARGUMENTS]
}

/** In QEMU's option syntax a comma in a value is written twice. */
function escaped(value: string): string {
  return value.replaceAll(',', ',,')
}

/** A process, told apart from a later one with the same number by when it started. */
export interface ProcessRef {
  readonly pid: number
  /** Field 22 of /proc/pid/stat, in clock ticks since boot. */
  readonly startTicks: string
}

/**
 * Starts QEMU in a session of its own, so that it outlives this process, with its output in the log. Resolves with the
 * process; rejects when it cannot be started.
 */
export async function startQemu(args: readonly string[], files: MachineFiles): Promise<ProcessRef> {
  const log = openSync(files.log, 'a', 0o600)
  try {
    const child = spawn(QEMU, args, { detached: true, stdio: ['ignore', log, log] })
    child.unref()
    await once(child, 'spawn')
    const pid = child.pid ?? 0
    return refOf(pid) ?? { pid, startTicks: '' }
  } finally {
    closeSync(log)
  }
}

/** The process of that number, or `undefined` when there is none or only its exit code is left. */
export function refOf(pid: number): ProcessRef | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The command's name, in parentheses, may itself hold blanks and parentheses; state and field 22 come after it.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    const [state, startTicks] = [fields[0], fields[19]]
    return state === 'Z' || state === 'X' || startTicks === undefined ? undefined : { pid, startTicks }
  } catch {
    return undefined
  }
}

/** True while that very process lives. */
export function isAlive(process: ProcessRef): boolean {
  return refOf(process.pid)?.startTicks === process.startTicks
}

const LOOK_AGAIN_MS = 5

/** Waits for the end of a process that need not be a child; false when it has not ended by then. */
export async function waitForExit(process: ProcessRef, until: number): Promise<boolean> {
  while (isAlive(process)) {
    if (Date.now() >= until) return false
    await pause(LOOK_AGAIN_MS)
  }
  return true
}

const KILL_PATIENCE_MS = 10_000

/** Ends a process at once. Its sockets are closed when this resolves; false when the kernel cannot end it. */
export function kill(target: ProcessRef): Promise<boolean> {
  signal(target, 'SIGKILL')
  return waitForExit(target, Date.now() + KILL_PATIENCE_MS)
}

/** Sends a signal to that very process; nothing happens when it is gone. */
export function signal(target: ProcessRef, name: NodeJS.Signals): void {
  if (!isAlive(target)) return
  try {
    process.kill(target.pid, name)
  } catch {
    // It ended in between.
  }
}

/** Every living process that has `argument`, or something that begins with it, as one of its arguments. */
export function processesWith(argument: string): readonly (ProcessRef & { readonly args: readonly string[] })[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const args = argumentsOf(Number(name))
      const ref = args.some((each) => each.startsWith(argument)) ? refOf(Number(name)) : undefined
      return ref ? [{ ...ref, args }] : []
    })
}

function argumentsOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  } catch {
    return []
  }
}

/** The last lines that QEMU wrote, for an error message. */
export async function lastWords(files: MachineFiles): Promise<string> {
  const text = await readFile(files.log, 'utf8').catch(() => '')
  return text.trim().split('\n').slice(-3).join(' | ')
}
