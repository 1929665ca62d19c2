import { startWeb, type TestWeb } from '@moorage/mover/testing'

/** A web server of a world, with one image. It comes into being when it is asked for. */
export interface Web {
  /** Where a raw image of 1 MiB is. */
  imageUrl(): Promise<string>
}

/** A web server that nobody has asked for yet, and its end. */
export function webOf(): Web & { readonly stopWeb: () => Promise<void> } {
  let started: Promise<TestWeb> | undefined
  return {
    imageUrl: async () => {
      started ??= startWeb()
      return (await started).put('image.raw', Buffer.alloc(1024 ** 2, 'image'))
    },
    stopWeb: async () => (await started)?.stop(),
  }
}
