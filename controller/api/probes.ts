import { fastify, type FastifyInstance } from 'fastify'
import type { Registry } from 'prom-client'
import type { System } from '../operations/context.ts'
import { readinessOf } from '../operations/readiness.ts'
import type { LeaseWatch } from '../telemetry/lease-watch.ts'

/** What probes are answered from. */
export interface Probed {
  readonly system: System
  /** Absent: no runner belongs to this server. */
  readonly leases?: LeaseWatch
}

/**
 * Adds `/healthz`, which says that the process lives and turns its event loop, whatever became of the database: a restart
 * would not bring that back; and `/readyz`: 200 when requests should come here, else 503, and why.
 */
export function addProbes(app: FastifyInstance, { system, leases }: Probed): void {
  app.get('/healthz', (_, reply) => reply.send({ status: 'alive' }))
  app.get('/readyz', async (_, reply) => {
    const { ready, ...checks } = await readinessOf(system, leases)
    return await reply.code(ready ? 200 : 503).send({ status: ready ? 'ready' : 'not ready', ...checks })
  })
}

/** A server of `/metrics` and the probes. */
export interface MetricsServer {
  readonly url: string
  close(): Promise<void>
}

/**
 * Serves `/metrics` on an address of its own, without credentials, which scrapers do not all have: whoever reaches the API
 * does not reach this unless the operator says so. Throws when the address cannot be listened on.
 */
export async function createMetricsServer(
  options: Probed & {
    readonly listen: { readonly host: string; readonly port: number }
    readonly registry: Registry
  },
): Promise<MetricsServer> {
  const app = fastify({ logger: false, forceCloseConnections: true })
  addProbes(app, options)
  app.get('/metrics', async (_, reply) => {
    return await reply.type(options.registry.contentType).send(await options.registry.metrics())
  })
  return { url: await app.listen({ ...options.listen }), close: () => app.close() }
}
