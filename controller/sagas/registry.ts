import type { SagaDefinition } from '../jobs/saga.ts'
import type { Tx } from '../store/store.ts'
import { archiveCollectSaga } from './archive-collect.ts'
import { archiveDrillSaga } from './archive-drill.ts'
import { censusPurgeSaga } from './census-purge.ts'
import { censusResolveSaga } from './census-resolve.ts'
import { censusSaga } from './census.ts'
import type { SagaDeps } from './deps.ts'
import { hostMaintenanceSaga } from './host-maintenance.ts'
import { poolMaintenanceCancelSaga } from './pool-maintenance-cancel.ts'
import { poolMaintenanceSaga } from './pool-maintenance.ts'
import { qosRepairSaga } from './qos-repair.ts'
import { recordedSaga } from './recorded.ts'
import { snapshotArchiveSaga } from './snapshot-archive.ts'
import { snapshotCreateSaga } from './snapshot-create.ts'
import { snapshotDeleteSaga } from './snapshot-delete.ts'
import { snapshotRevertSaga } from './snapshot-revert.ts'
import { templateCreateSaga } from './template-create.ts'
import { templateDeleteSaga } from './template-delete.ts'
import { vmCreateSaga } from './vm-create.ts'
import { vmExpungeSaga } from './vm-expunge.ts'
import { vmLeaveSaga } from './vm-leave.ts'
import { vmMigrateSaga } from './vm-migrate.ts'
import { vmRebootSaga } from './vm-reboot.ts'
import { vmRestoreSaga } from './vm-restore.ts'
import { vmScaleSaga } from './vm-scale.ts'
import { vmStartSaga } from './vm-start.ts'
import { vmStopSaga } from './vm-stop.ts'
import { volumeAttachSaga } from './volume-attach.ts'
import { volumeCreateSaga } from './volume-create.ts'
import { volumeDeleteSaga } from './volume-delete.ts'
import { volumeDestroySaga } from './volume-destroy.ts'
import { volumeDetachSaga } from './volume-detach.ts'
import { volumeFromSnapshotSaga } from './volume-from-snapshot.ts'
import { volumeMigrateSaga } from './volume-migrate.ts'
import { volumeResizeSaga } from './volume-resize.ts'
import { volumeUpdateSaga } from './volume-update.ts'

/** Every saga by name. Crash cells and fault tests walk this list, so that a saga in it is proven, and one outside never runs. */
export function createSagas(deps: SagaDeps): ReadonlyMap<string, SagaDefinition<Tx>> {
  const all = [
    volumeCreateSaga(),
    volumeUpdateSaga(),
    volumeDestroySaga(),
    volumeAttachSaga(deps),
    volumeDetachSaga(deps),
    volumeDeleteSaga(deps),
    volumeFromSnapshotSaga(deps),
    volumeResizeSaga(deps),
    volumeMigrateSaga(deps),
    qosRepairSaga(deps),
    snapshotCreateSaga(deps),
    snapshotArchiveSaga(deps),
    archiveCollectSaga(deps),
    archiveDrillSaga(deps),
    snapshotDeleteSaga(deps),
    snapshotRevertSaga(deps),
    vmCreateSaga(),
    vmStartSaga(deps),
    vmStopSaga(deps),
    vmRebootSaga(deps),
    vmScaleSaga(),
    vmRestoreSaga(deps),
    vmMigrateSaga(deps),
    vmLeaveSaga(deps),
    vmExpungeSaga(deps),
    poolMaintenanceSaga(deps),
    hostMaintenanceSaga(deps),
    poolMaintenanceCancelSaga(deps),
    templateCreateSaga(deps),
    templateDeleteSaga(deps),
    censusSaga(deps),
    censusResolveSaga(deps),
    censusPurgeSaga(deps),
    recordedSaga(),
  ]
  return new Map(all.map((definition) => [definition.name, definition]))
}
