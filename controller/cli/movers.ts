import type { Endpoint, Mover } from '@moorage/contract'
import { MOVER_PATHS, remoteMover, wireClient } from '@moorage/wire'
import { loadMover } from '../store/registrations.ts'
import type { Store } from '../store/store.ts'

/** How the plug-in host finds and reaches movers. */
export function movers(store: Store) {
  return { load: (id: string) => loadMover(store, id), connect: connectMover }
}

/** The mover whose daemon listens at the url, as whom the settings `user` and `password` say. No I/O. */
function connectMover({ url, settings }: Endpoint): Mover {
  const { user = '', password = '' } = settings
  return remoteMover(wireClient({ url, user, password }))
}

/** Where a mover's daemon has a method. */
export function moverPath(method: keyof Mover): string {
  return MOVER_PATHS[method]
}
