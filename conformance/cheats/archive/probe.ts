import { setTimeout as pause } from 'node:timers/promises'
import { newId } from '../../check.ts'
import { type ArchiveCheat, unhurried, wrong } from '../cheat.ts'
import { archivePlugin, everyStore, store } from './store.ts'

const NAMES = 'a plug-in for archives names itself, its schemes and its settings'
const IDENTITY = 'a store reports a stable identity, whoever opened it, and sizes that make sense'
const ONE_WRITER = 'of several writers of one key exactly one stores it, where the probe says so'
const PRESENT = 'what is there already is present, and stays as it was, whatever the body'
const LARGE = 1024 * 1024
const SHORT_KEY = 100

/** Stores that are not what they say they are. */
export const probeCheats: readonly ArchiveCheat[] = [
  archivePlugin('says that it is for storage', NAMES, () => ({ kind: 'storage' })),
  archivePlugin('has a setting whose name does not survive the API', NAMES, () => ({
    settings: [{ name: 'rootDir', title: 'Root', type: 'string', required: false, description: 'Where.' }],
  })),
  archivePlugin(
    'opens any url',
    'opening a url of no archive of its kind is refused as INVALID',
    ({ plugin, endpoint }) => ({ open: () => plugin.open(endpoint) }),
  ),
  everyStore('is another store each time that it is opened', IDENTITY, (honest, at) => ({
    async probe(call) {
      const report = await honest.probe(call)
      return { ...report, identity: `${report.identity}-${at}` }
    },
  })),
  store('uses more than it has', IDENTITY, (honest) => ({
    probe: async (call) => ({ ...(await honest.probe(call)), totalBytes: 1000, usedBytes: 2000 }),
  })),
  store('leaves the object with which it probes', 'a probe leaves nothing behind', (honest) => ({
    async probe(call) {
      const report = await honest.probe(call)
      await honest.put(`probe-${newId()}`, new Uint8Array(1), call)
      return report
    },
  })),
  store('takes short keys only', 'limits of a store are numbers that can be worked with', (honest) => ({
    limits: { ...honest.limits, maxKeyBytes: SHORT_KEY },
    async put(key, body, call) {
      if (key.length > SHORT_KEY) throw wrong('LIMIT')
      return honest.put(key, body, call)
    },
  })),
  store('looks before it stores, and then stores whatever has come meanwhile', ONE_WRITER, (honest) => ({
    async put(key, body, call) {
      if (await honest.stat(key, call)) return 'present'
      await honest.delete(key, call)
      await honest.put(key, body, call)
      return 'stored'
    },
  })),
  store('ignores the condition: the last writer wins', [ONE_WRITER, PRESENT], (honest) => ({
    async put(key, body, call) {
      await honest.delete(key, call)
      await honest.put(key, body, call)
      return 'stored'
    },
  })),
  store('stores what is large piece by piece', 'an object that is listed while it is stored is whole', (honest) => ({
    async put(key, body, call) {
      if (body.length < LARGE || (await honest.stat(key, call))) return honest.put(key, body, call)
      await honest.put(key, body.subarray(0, body.length / 2), call)
      await pause(20)
      await honest.delete(key, unhurried(call))
      return honest.put(key, body, unhurried(call))
    },
  })),
]
