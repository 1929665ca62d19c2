import type { Command } from './command.ts'
import { absentCommands } from './commands/absent.ts'
import { accountCommands } from './commands/accounts.ts'
import { apiCommands } from './commands/apis.ts'
import { archiveCommands } from './commands/archives.ts'
import { auditCommands } from './commands/audit.ts'
import { capabilityCommands } from './commands/capabilities.ts'
import { capacityCommands } from './commands/capacity.ts'
import { censusCommands } from './commands/census.ts'
import { clusterCommands } from './commands/clusters.ts'
import { configurationCommands } from './commands/configurations.ts'
import { diskOfferingCommands } from './commands/disk-offerings.ts'
import { domainCommands } from './commands/domains.ts'
import { eventCommands } from './commands/events.ts'
import { hostCommands } from './commands/hosts.ts'
import { identityStateCommands } from './commands/identity-states.ts'
import { installationCommands } from './commands/installation.ts'
import { jobCommands } from './commands/jobs.ts'
import { limitCommands } from './commands/limits.ts'
import { metricsCommands } from './commands/metrics.ts'
import { moverCommands } from './commands/movers.ts'
import { nicCommands } from './commands/nics.ts'
import { operationCommands } from './commands/operations.ts'
import { timelineCommands } from './commands/operation-timeline.ts'
import { podCommands } from './commands/pods.ts'
import { placementCommands } from './commands/placements.ts'
import { poolHostCommands } from './commands/pool-hosts.ts'
import { poolCommands } from './commands/pools.ts'
import { providerCommands } from './commands/providers.ts'
import { serviceOfferingCommands } from './commands/service-offerings.ts'
import { resourceDetailCommands } from './commands/resource-details.ts'
import { sessionCommands } from './commands/session.ts'
import { snapshotCommands } from './commands/snapshots.ts'
import { snapshotPolicyCommands } from './commands/snapshot-policies.ts'
import { sshKeyPairCommands } from './commands/ssh-key-pairs.ts'
import { standInCommands } from './commands/stand-ins.ts'
import { tagCommands } from './commands/tags.ts'
import { templateCommands } from './commands/templates.ts'
import { usageCommands } from './commands/usage.ts'
import { usageHistoryCommands } from './commands/usage-history.ts'
import { userCommands } from './commands/users.ts'
import { vmMigrationCommands } from './commands/vm-migration.ts'
import { vmScaleCommands } from './commands/vm-scale.ts'
import { vmCommands } from './commands/vms.ts'
import { volumeBackendCommands } from './commands/volume-backend.ts'
import { volumeMigrationCommands } from './commands/volume-migration.ts'
import { volumeCommands } from './commands/volumes.ts'
import { zoneCommands } from './commands/zones.ts'

/** Every command that is answered, in the order in which the documentation lists them. */
export const COMMANDS: readonly Command[] = [
  ...sessionCommands,
  ...apiCommands,
  ...capabilityCommands,
  ...jobCommands,
  ...operationCommands,
  ...timelineCommands,
  ...zoneCommands,
  ...podCommands,
  ...clusterCommands,
  ...hostCommands,
  ...providerCommands,
  ...poolCommands,
  ...poolHostCommands,
  ...placementCommands,
  ...archiveCommands,
  ...moverCommands,
  ...capacityCommands,
  ...diskOfferingCommands,
  ...serviceOfferingCommands,
  ...templateCommands,
  ...volumeCommands,
  ...volumeMigrationCommands,
  ...volumeBackendCommands,
  ...snapshotCommands,
  ...snapshotPolicyCommands,
  ...vmCommands,
  ...vmMigrationCommands,
  ...vmScaleCommands,
  ...nicCommands,
  ...tagCommands,
  ...resourceDetailCommands,
  ...domainCommands,
  ...accountCommands,
  ...userCommands,
  ...identityStateCommands,
  ...limitCommands,
  ...configurationCommands,
  ...eventCommands,
  ...metricsCommands,
  ...usageCommands,
  ...usageHistoryCommands,
  ...censusCommands,
  ...auditCommands,
  ...installationCommands,
  ...standInCommands,
  ...sshKeyPairCommands,
  ...absentCommands,
]
