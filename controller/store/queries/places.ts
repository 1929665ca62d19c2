import type { ClusterRow, PodRow, TemplateRow, ZoneRow } from '../generated/schema.ts'
import type { Reader } from '../store.ts'

/** The zone, unless it was removed. */
export async function zoneNow(reader: Reader, id: string): Promise<ZoneRow | undefined> {
  return reader.selectFrom('zone').selectAll().where('id', '=', id).where('removedAt', 'is', null).executeTakeFirst()
}

/** Ids of the zones that were not removed. */
export async function zonesNow(reader: Reader): Promise<readonly string[]> {
  const zones = await reader.selectFrom('zone').select('id').where('removedAt', 'is', null).execute()
  return zones.map(({ id }) => id)
}

/** The hypervisor of the first cluster of a zone. */
export async function hypervisorOfZone(reader: Reader, zone: string): Promise<string | undefined> {
  const row = await reader
    .selectFrom('cluster')
    .innerJoin('pod', 'pod.id', 'cluster.podId')
    .select('cluster.hypervisor')
    .where('pod.zoneId', '=', zone)
    .where('cluster.removedAt', 'is', null)
    .orderBy('cluster.seq')
    .limit(1)
    .executeTakeFirst()
  return row?.hypervisor
}

/** The pod, unless it was removed. */
export async function podNow(reader: Reader, id: string): Promise<PodRow | undefined> {
  return reader.selectFrom('pod').selectAll().where('id', '=', id).where('removedAt', 'is', null).executeTakeFirst()
}

/** The cluster, unless it was removed. */
export async function clusterNow(reader: Reader, id: string): Promise<ClusterRow | undefined> {
  return reader.selectFrom('cluster').selectAll().where('id', '=', id).where('removedAt', 'is', null).executeTakeFirst()
}

/** The clusters of a pod that were not removed. */
export async function clustersOfPod(reader: Reader, pod: string): Promise<readonly ClusterRow[]> {
  return reader
    .selectFrom('cluster')
    .selectAll()
    .where('podId', '=', pod)
    .where('removedAt', 'is', null)
    .orderBy('seq')
    .execute()
}

/** The name under which this pool of an array is registered, if it is. */
export async function poolOfIdentity(reader: Reader, provider: string, identity: string): Promise<string | undefined> {
  const row = await reader
    .selectFrom('pool')
    .select('name')
    .where('provider', '=', provider)
    .where('identity', '=', identity)
    .where('removedAt', 'is', null)
    .executeTakeFirst()
  return row?.name
}

/** The name under which this host is registered, if it is. */
export async function hostOfIdentity(reader: Reader, plugin: string, identity: string): Promise<string | undefined> {
  const row = await reader
    .selectFrom('host')
    .select('name')
    .where('plugin', '=', plugin)
    .where('identity', '=', identity)
    .where('removedAt', 'is', null)
    .executeTakeFirst()
  return row?.name
}

/** The template, unless it was removed. */
export async function templateNow(reader: Reader, id: string): Promise<TemplateRow | undefined> {
  return reader
    .selectFrom('template')
    .selectAll()
    .where('id', '=', id)
    .where('removedAt', 'is', null)
    .executeTakeFirst()
}
