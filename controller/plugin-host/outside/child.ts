import { Socket } from 'node:net'
import { pathToFileURL } from 'node:url'
import type { HypervisorPlugin, StoragePlugin } from '@moorage/contract'
import { framesOver } from './frames.ts'
import { entryOf } from './package-entry.ts'
import { servePlugin } from './serve-plugin.ts'

/** The program of a plug-in's own process: `child.ts PATH`, with the channel to the controller on descriptor 3. */
async function main(path: string): Promise<void> {
  const channel = new Socket({ fd: 3, readable: true, writable: true })
  // Without its controller it has nothing to do; one that no longer gets here is ended by the kernel, see life.ts.
  channel.on('close', () => process.exit(0))
  channel.on('error', () => process.exit(0))
  const early: Readonly<Record<string, unknown>>[] = []
  let take = (message: Readonly<Record<string, unknown>>): void => void early.push(message)
  const frames = framesOver(channel, { message: (message) => take(message), broken: () => process.exit(1) })
  try {
    take = servePlugin(await load(path), frames)
  } catch (error) {
    // The controller reads it and ends this process.
    return frames.send({ kind: 'unfit', why: error instanceof Error ? error.message : String(error) })
  }
  for (const message of early) take(message)
}

async function load(path: string): Promise<StoragePlugin | HypervisorPlugin> {
  // What a module exports is unknown until it is looked at.
  const module = (await import(pathToFileURL(entryOf(path)).href)) as Readonly<Record<string, unknown>>
  const plugin = module['plugin']
  if (typeof plugin !== 'object' || plugin === null) throw new Error('the module exports no object called plugin')
  if (!('kind' in plugin) || (plugin.kind !== 'storage' && plugin.kind !== 'hypervisor')) {
    throw new Error('its plugin is neither of kind storage nor hypervisor')
  }
  if (!('open' in plugin) || typeof plugin.open !== 'function') throw new Error('its plugin has no function open')
  return plugin as StoragePlugin | HypervisorPlugin // As far as can be seen; every answer is checked where it is used.
}

await main(process.argv[2] ?? '')
