/**
 * Tables of the SAN. A row is written before what it stands for is made, and removed after that is gone: whatever was
 * interrupted is named by a row whose `state` says which way it was going.
 */
export const SCHEMA = `
CREATE TABLE IF NOT EXISTS meta (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT;

-- Highest fence accepted per object. Rows outlive their objects: a late call must not bring back what was deleted.
CREATE TABLE IF NOT EXISTS fences (
  object TEXT PRIMARY KEY,
  fence INTEGER NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS volumes (
  id TEXT PRIMARY KEY,
  owner TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('creating', 'ready', 'deleting')),
  bytes INTEGER NOT NULL,
  -- Size and source as first asked for: what a repeated create is compared with, also after growth.
  asked_bytes INTEGER NOT NULL,
  origin TEXT NOT NULL,
  -- QoS as it is enforced, and the axes on which that differs from what was asked: JSON.
  qos TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS snapshots (
  id TEXT PRIMARY KEY,
  owner TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('creating', 'ready', 'deleting')),
  volume TEXT NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS exposures (
  kind TEXT NOT NULL CHECK (kind IN ('volume', 'snapshot')),
  id TEXT NOT NULL,
  consumer TEXT NOT NULL,
  initiator TEXT NOT NULL,
  mode TEXT NOT NULL CHECK (mode IN ('rw', 'ro')),
  account TEXT NOT NULL,
  owner TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('given', 'withdrawing')),
  created_at INTEGER NOT NULL,
  PRIMARY KEY (kind, id, consumer)
) STRICT;

-- One per source and mode while it is exposed. The target id stays the same over every rebuild.
CREATE TABLE IF NOT EXISTS outlets (
  name TEXT PRIMARY KEY,
  tid INTEGER NOT NULL UNIQUE
) STRICT;

CREATE TABLE IF NOT EXISTS accounts (
  owner TEXT NOT NULL,
  account TEXT NOT NULL,
  user TEXT NOT NULL UNIQUE,
  secret TEXT NOT NULL,
  PRIMARY KEY (owner, account)
) STRICT;

-- I/O counted by workers that are gone.
CREATE TABLE IF NOT EXISTS counters (
  volume TEXT PRIMARY KEY,
  counted TEXT NOT NULL
) STRICT;

-- Workers that count now: threads of one tgtd, and what was last read from them.
CREATE TABLE IF NOT EXISTS taps (
  outlet TEXT PRIMARY KEY,
  volume TEXT NOT NULL,
  tgtd TEXT NOT NULL,
  threads TEXT NOT NULL,
  seen TEXT NOT NULL
) STRICT;
`
