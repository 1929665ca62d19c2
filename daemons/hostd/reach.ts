import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { asPluginError, type Call, type Reach, type Reached } from '@moorage/contract'
import { reach as reachPortal } from './disks.ts'

/** Method `reach/prepare`: disks over iSCSI and from files need nothing on the host but the way there. */
export async function prepareReach(reach: Reach, call: Call): Promise<Reached> {
  return reach.via === 'file' ? lookIn(reach) : tryAll(reach.portals, call)
}

/** One portal that answers will do. */
async function tryAll(portals: readonly string[], call: Call): Promise<Reached> {
  const faults: string[] = []
  for (const portal of portals) {
    try {
      await reachPortal(portal, call)
      return { reached: true }
    } catch (error) {
      faults.push(asPluginError(error).message)
    }
  }
  return { reached: false, why: faults.join('; ') }
}

async function lookIn({ directory, mark }: Extract<Reach, { readonly via: 'file' }>): Promise<Reached> {
  const path = join(directory, mark.name)
  try {
    const found = (await readFile(path, 'utf8')).trim()
    return found === mark.text ? { reached: true } : { reached: false, why: `${directory} is another pool here` }
  } catch (error) {
    return { reached: false, why: error instanceof Error ? error.message : String(error) }
  }
}
