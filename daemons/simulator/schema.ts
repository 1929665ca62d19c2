/**
 * Tables of the simulator's state. Bytes are numbers of bytes, times are epoch milliseconds, `owner` is the ownership
 * mark of the installation that made the object. `volumes`, `snapshots` and `disks` keep the id of Moorage as it came.
 * An archive is known by its plug-in and url; what it holds are chunks by the digest of their bytes, `chunks` of a snapshot
 * are pairs of a number and a digest, `keyPrint` tells its key without holding it.
 */
export const SCHEMA = `
CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE fences(object TEXT PRIMARY KEY, fence INTEGER NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE arrays(
  name TEXT PRIMARY KEY, totalBytes INTEGER NOT NULL, usedBytes INTEGER NOT NULL DEFAULT 0, iops INTEGER NOT NULL,
  volumes INTEGER NOT NULL DEFAULT 0, maxVolumes INTEGER NOT NULL, maxVolumeBytes INTEGER NOT NULL,
  maxSnapshotsPerVolume INTEGER NOT NULL, pageItems INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE layers(id INTEGER PRIMARY KEY AUTOINCREMENT) STRICT;
CREATE TABLE images(id INTEGER PRIMARY KEY AUTOINCREMENT, layer INTEGER) STRICT;
CREATE INDEX imagesByLayer ON images(layer);
CREATE TABLE blocks(image INTEGER NOT NULL, number INTEGER NOT NULL, layer INTEGER NOT NULL,
  PRIMARY KEY(image, number)) STRICT, WITHOUT ROWID;
CREATE INDEX blocksByLayer ON blocks(layer, number);
CREATE TABLE volumes(
  array TEXT NOT NULL, id TEXT NOT NULL, owner TEXT NOT NULL, bytes INTEGER NOT NULL, source TEXT NOT NULL,
  image INTEGER NOT NULL, requestedQos TEXT NOT NULL, qos TEXT NOT NULL, createdAt INTEGER NOT NULL,
  readOps INTEGER NOT NULL DEFAULT 0, writeOps INTEGER NOT NULL DEFAULT 0,
  readBytes INTEGER NOT NULL DEFAULT 0, writeBytes INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY(array, id)) STRICT, WITHOUT ROWID;
CREATE TABLE snapshots(
  array TEXT NOT NULL, id TEXT NOT NULL, owner TEXT NOT NULL, volume TEXT NOT NULL, bytes INTEGER NOT NULL,
  image INTEGER NOT NULL, takenAt INTEGER NOT NULL, PRIMARY KEY(array, id)) STRICT, WITHOUT ROWID;
CREATE INDEX snapshotsByVolume ON snapshots(array, volume);
CREATE TABLE groups(
  array TEXT NOT NULL, id TEXT NOT NULL, owner TEXT NOT NULL, members TEXT NOT NULL, expiresAt INTEGER NOT NULL,
  committed INTEGER NOT NULL, PRIMARY KEY(array, id)) STRICT, WITHOUT ROWID;
CREATE TABLE accounts(
  array TEXT NOT NULL, owner TEXT NOT NULL, account TEXT NOT NULL, user TEXT NOT NULL, secret TEXT NOT NULL,
  PRIMARY KEY(array, owner, account)) STRICT, WITHOUT ROWID;
CREATE TABLE exposures(
  array TEXT NOT NULL, key TEXT NOT NULL, owner TEXT NOT NULL, sourceKind TEXT NOT NULL, sourceId TEXT NOT NULL,
  consumer TEXT NOT NULL, consumerKind TEXT NOT NULL, initiator TEXT NOT NULL, mode TEXT NOT NULL,
  account TEXT NOT NULL, createdAt INTEGER NOT NULL, PRIMARY KEY(array, key)) STRICT, WITHOUT ROWID;
CREATE TABLE sessions(
  id TEXT PRIMARY KEY, array TEXT NOT NULL, exposure TEXT NOT NULL, openedAt INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX sessionsByExposure ON sessions(array, exposure);

CREATE TABLE hosts(
  name TEXT PRIMARY KEY, cpus INTEGER NOT NULL, memoryBytes INTEGER NOT NULL, initiator TEXT NOT NULL,
  cutOff TEXT NOT NULL DEFAULT '[]'
) STRICT, WITHOUT ROWID;
CREATE TABLE vms(
  host TEXT NOT NULL, id TEXT NOT NULL, owner TEXT NOT NULL, name TEXT NOT NULL, cpus INTEGER NOT NULL,
  memoryBytes INTEGER NOT NULL, frozenAt INTEGER, thawsAt INTEGER, phase TEXT NOT NULL DEFAULT 'running',
  PRIMARY KEY(host, id)) STRICT, WITHOUT ROWID;
CREATE TABLE disks(
  host TEXT NOT NULL, vm TEXT NOT NULL, volume TEXT NOT NULL, generation INTEGER NOT NULL, deviceId INTEGER NOT NULL,
  serial TEXT NOT NULL, mode TEXT NOT NULL, connection TEXT NOT NULL, session TEXT NOT NULL, bytes INTEGER NOT NULL,
  throttle TEXT NOT NULL, readOps INTEGER NOT NULL DEFAULT 0, writeOps INTEGER NOT NULL DEFAULT 0,
  readBytes INTEGER NOT NULL DEFAULT 0, writeBytes INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY(host, vm, volume)) STRICT, WITHOUT ROWID;
CREATE TABLE mirrors(
  host TEXT NOT NULL, vm TEXT NOT NULL, volume TEXT NOT NULL, id TEXT NOT NULL, phase TEXT NOT NULL,
  connection TEXT NOT NULL, session TEXT NOT NULL, PRIMARY KEY(host, vm, volume)) STRICT, WITHOUT ROWID;

CREATE TABLE moverJobs(
  id TEXT PRIMARY KEY, about TEXT NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL, done INTEGER NOT NULL,
  total INTEGER NOT NULL, outcome TEXT NOT NULL DEFAULT '{}') STRICT, WITHOUT ROWID;
CREATE TABLE archives(
  url TEXT PRIMARY KEY, id TEXT NOT NULL, chunkBytes INTEGER NOT NULL, keyPrint TEXT) STRICT, WITHOUT ROWID;
CREATE TABLE archiveChunks(
  archive TEXT NOT NULL, hash TEXT NOT NULL, job TEXT NOT NULL, bytes BLOB NOT NULL,
  PRIMARY KEY(archive, hash)) STRICT, WITHOUT ROWID;
CREATE TABLE archivedSnapshots(
  archive TEXT NOT NULL, snapshot TEXT NOT NULL, job TEXT NOT NULL, shown TEXT NOT NULL, chunks TEXT NOT NULL,
  PRIMARY KEY(archive, snapshot, job)) STRICT, WITHOUT ROWID;
CREATE TABLE archiveWriters(
  archive TEXT NOT NULL, job TEXT NOT NULL, state TEXT NOT NULL, addedBytes INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY(archive, job)) STRICT, WITHOUT ROWID;
`
