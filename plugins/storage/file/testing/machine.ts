import type { HypervisorAdapter } from '@moorage/contract'
import type { TestHostd } from '@moorage/hostd/testing'
import { remoteHypervisor, wireClient } from '@moorage/wire'

/** A host daemon as an adapter: attaching needs no more of it than this. */
export function adapterOf(hostd: TestHostd): HypervisorAdapter & Required<Pick<HypervisorAdapter, 'resize'>> {
  const adapter = remoteHypervisor({
    remote: wireClient({ url: hostd.url, user: hostd.user, password: hostd.password }),
    accepts: ['file'],
    limits: { maxDisksPerVm: 24 },
    can: ['resize'],
    context: { owner: hostd.endpoint.owner },
  })
  // `can` names it.
  return adapter as HypervisorAdapter & Required<Pick<HypervisorAdapter, 'resize'>>
}
