import { guestOf, type Guest } from './guest.ts'
import { credentials, type Layout } from './layout.ts'
import { runningDaemon } from './process.ts'
import { adminApi } from './stack.ts'
import type { Vault } from './tour/archive.ts'
import { lastFence } from './tour/fence.ts'
import type { Ground } from './tour/ground.ts'
import { verifier, type Verifier } from './verifier.ts'

const SAN_POOL = 'pool1'
const CAPACITY_IOPS = 10_000

/** How to reach the lab's SAN over its own API. */
export function sanAccess(at: Layout): { readonly url: string; readonly user: string; readonly password: string } {
  const { user, password } = credentials(at.root, 'san')
  return { url: `http://${at.listen.san}`, user, password }
}

/** How to reach the lab's host daemon over its own API. */
export function hostdAccess(at: Layout): { readonly url: string; readonly user: string; readonly password: string } {
  const { user, password } = credentials(at.root, 'hostd')
  return { url: `http://${at.listen.hostd}`, user, password }
}

/** Where the lab archives to, and restores from. */
export function vaultOf(at: Layout): Vault {
  const { user, password } = credentials(at.root, 'mover')
  return {
    mover: { url: `http://${at.listen.mover}`, user, password },
    archive: at.archive,
    files: at.files,
  }
}

/** What to register with Moorage: the lab's SAN as a pool, its host daemon as a host. */
export function groundOf(at: Layout, image: string | undefined): Ground {
  const san = sanAccess(at)
  const hostd = hostdAccess(at)
  return {
    pool: {
      provider: 'linux-san',
      url: `linux-san://${at.listen.san}/${SAN_POOL}`,
      user: san.user,
      password: san.password,
    },
    host: { url: `qemu://${at.listen.hostd}`, user: hostd.user, password: hostd.password, hypervisor: 'KVM' },
    image,
    capacityIops: CAPACITY_IOPS,
  }
}

/** The guest of a VM in the lab. */
export function labGuest(at: Layout, vm: string): Guest {
  return guestOf(hostdAccess(at), { vm, owner: installation(at) })
}

/** A reader of the SAN's volumes beside Moorage. */
export function labVerifier(at: Layout): Verifier {
  return verifier({
    san: sanAccess(at),
    context: { pool: SAN_POOL, owner: installation(at) },
    fence: () => lastFence(adminApi(at)),
  })
}

/** The ownership mark of the lab's controller: its SAN and host daemon show what bears it to nobody else. */
function installation(at: Layout): string {
  const id = runningDaemon(at.controller)?.['installation']
  if (typeof id !== 'string') throw new Error('the controller does not run')
  return id
}
