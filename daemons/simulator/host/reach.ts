import { PluginError, type Reached } from '@moorage/contract'
import { arrayAt } from '../array/array.ts'
import { fields, invalid, oneOf, text } from '../check.ts'
import type { HostRequest } from './host.ts'

/** Method `reach/prepare`. */
export function prepareReach(request: HostRequest): Reached {
  const reach = fields(request.args['reach'], 'reach')
  const via = oneOf(reach['via'], 'reach.via', ['iscsi', 'file'])
  if (via !== 'iscsi') throw new PluginError('UNSUPPORTED', `reach: ${via} is not spoken here`, 'none')
  const { portals } = reach
  if (!Array.isArray(portals)) throw invalid('reach.portals must be a list')
  const faults = portals.map((portal: unknown) => whyNot(request, text(portal, 'reach.portals')))
  return faults.includes(undefined) ? { reached: true } : { reached: false, why: faults.join('; ') }
}

/** Why the host does not get to a portal; `undefined` when it does. */
export function whyNot({ store, host }: Pick<HostRequest, 'store' | 'host'>, portal: string): string | undefined {
  const array = arrayAt(store, portal)
  if (!array) return `nothing listens at ${portal}`
  const cutOff: unknown = JSON.parse(host.cutOff)
  return Array.isArray(cutOff) && cutOff.includes(array.name) ? `${portal} is not reached from here` : undefined
}
