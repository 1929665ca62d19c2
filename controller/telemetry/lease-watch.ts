/** Knows when this controller last renewed its leases. Seconds, by the process's own clock. */
export interface LeaseWatch {
  /** Since the last heartbeat that the database took; since the start before the first. */
  ageSeconds(): number
  /** The lease: beyond it other controllers take the operations over. */
  readonly limitSeconds: number
  /** A heartbeat succeeded. */
  renewed(): void
}

/** Watches the leases of one controller. */
export function watchLeases(leaseMs: number): LeaseWatch {
  let at = performance.now()
  return {
    ageSeconds: () => (performance.now() - at) / 1000,
    limitSeconds: leaseMs / 1000,
    renewed: () => {
      at = performance.now()
    },
  }
}
