import { expect, test } from 'vitest'
import {
  parseAccounts,
  parseConnections,
  parseCounters,
  parsePortals,
  parseTargetNames,
  parseTargets,
} from './listings.ts'

const TARGETS = `Target 1: iqn.2026-01.x:a
    System information:
        Driver: iscsi
        State: ready
    I_T nexus information:
        I_T nexus: 4
            Initiator: iqn.2026-01.host:1 alias: qemu: a
            Connection: 0
                IP Address: 127.0.0.1
        I_T nexus: 9
            Initiator: iqn.2026-01.host:2 alias: none
            Connection: 0
                IP Address: 127.0.0.1
    LUN information:
        LUN: 0
            Type: controller
            SCSI ID: IET     00010000
            SCSI SN: beaf10
            Size: 0 MB, Block size: 1
            Online: Yes
            Removable media: No
            Prevent removal: No
            Readonly: No
            SWP: No
            Thin-provisioning: No
            Backing store type: null
            Backing store path: None
            Backing store flags: 
        LUN: 1
            Type: disk
            SCSI ID: vol 1
            SCSI SN: 6F47
            Size: 1074 MB, Block size: 512
            Online: Yes
            Removable media: No
            Prevent removal: No
            Readonly: Yes
            SWP: No
            Thin-provisioning: Yes
            Backing store type: rdwr
            Backing store path: /a/odd: name
            Backing store flags: direct
    Account information:
        guard
        tenant
    ACL information:
        iqn.2026-01.host:1
Target 2: iqn.2026-01.x:b
    System information:
        Driver: iscsi
        State: offline
    I_T nexus information:
    LUN information:
    Account information:
    ACL information:
`

test('a listing of targets gives sessions, units, accounts and rules of each', () => {
  const [a, b] = parseTargets(TARGETS)
  expect(a).toMatchObject({
    tid: 1,
    iqn: 'iqn.2026-01.x:a',
    state: 'ready',
    sessions: [
      { sid: 4, initiator: 'iqn.2026-01.host:1' },
      { sid: 9, initiator: 'iqn.2026-01.host:2' },
    ],
    accounts: ['guard', 'tenant'],
    acl: ['iqn.2026-01.host:1'],
  })
  expect(a?.luns[0]).not.toHaveProperty('path')
  expect(a?.luns[1]).toEqual({
    lun: 1,
    type: 'disk',
    scsiId: 'vol 1',
    scsiSn: '6F47',
    online: true,
    readonly: true,
    thin: true,
    path: '/a/odd: name',
  })
  expect(b).toMatchObject({ tid: 2, state: 'offline', sessions: [], luns: [], accounts: [], acl: [] })
})

test('no targets is an empty list', () => {
  expect(parseTargets('')).toEqual([])
})

test('connections carry their session', () => {
  const text = `Session: 3
    Connection: 0
        Initiator: iqn.2026-01.host:1
        IP Address: 127.0.0.1
Session: 5
    Connection: 1
        Initiator: iqn.2026-01.host:2
        IP Address: 127.0.0.1
`
  expect(parseConnections(text)).toEqual([
    { sid: 3, cid: 0, initiator: 'iqn.2026-01.host:1' },
    { sid: 5, cid: 1, initiator: 'iqn.2026-01.host:2' },
  ])
})

test('counters are read by column, and the header is not a row', () => {
  const text = `tgt lun sid rd_subm(bytes,cmds) rd_done(bytes,cmds) wr_subm(bytes,cmds) wr_done(bytes,cmds) errs
  1   1   3          749      9          740      8       319488     78       258048     63    2
`
  expect(parseCounters(text)).toEqual([
    {
      tid: 1,
      lun: 1,
      sid: 3,
      readOpsSubmitted: 9,
      readBytes: 740,
      readOps: 8,
      writeOpsSubmitted: 78,
      writeBytes: 258_048,
      writeOps: 63,
      errors: 2,
    },
  ])
})

test('portals keep host and port, also for IPv6', () => {
  expect(parsePortals('Portal: 127.0.0.1:3260,1\nPortal: [::1]:3260,1\n')).toEqual(['127.0.0.1:3260', '[::1]:3260'])
})

test('accounts are listed without their heading', () => {
  expect(parseAccounts('Account list:\n    b\n    a\n')).toEqual(['b', 'a'])
  expect(parseAccounts('')).toEqual([])
})

test('target names are read from the listing of drivers', () => {
  const text = `LLDs:
    iscsi: ready
        Target 1: iqn.2026-01.x:a
        Target 12: iqn.2026-01.x:b
    iser: error
`
  expect(parseTargetNames(text)).toEqual(
    new Map([
      [1, 'iqn.2026-01.x:a'],
      [12, 'iqn.2026-01.x:b'],
    ]),
  )
})
