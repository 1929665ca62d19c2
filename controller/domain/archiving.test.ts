import { describe, expect, test } from 'vitest'
import { type ArchivedOnArray, chooseArchive, chooseMover, settleBase } from './archiving.ts'

const archive = { id: 'a', name: 'a', provider: 's3', readOnly: false, silent: false, full: false }
const mover = { id: 'm', name: 'm', accepts: ['iscsi'], archives: ['s3'], silent: false, busy: 0 }
const way = { provider: 's3', protocols: ['iscsi', 'nbd'] }

describe('a snapshot goes', () => {
  test('to the first archive that can take it, and to that of its chain before others', () => {
    const archives = [
      { ...archive, readOnly: true },
      { ...archive, id: 'b' },
      { ...archive, id: 'c' },
    ]
    expect(chooseArchive(archives)).toMatchObject({ chosen: { id: 'b' } })
    expect(chooseArchive(archives, 'c')).toMatchObject({ chosen: { id: 'c' } })
    expect(chooseArchive(archives, 'a')).toMatchObject({ chosen: { id: 'b' } })
  })

  test('nowhere where no archive can, and each says why', () => {
    expect(chooseArchive([])).toEqual({ none: ['there is no archive'] })
    const archives = [
      { ...archive, readOnly: true },
      { ...archive, name: 'b', silent: true },
      { ...archive, name: 'c', full: true },
    ]
    expect(chooseArchive(archives)).toEqual({
      none: ['archive a is read-only', 'archive b does not answer', 'archive c is full'],
    })
  })

  test('with the mover that has least to do of those that get from there to there', () => {
    const movers = [
      { ...mover, busy: 2 },
      { ...mover, id: 'n', busy: 1 },
    ]
    expect(chooseMover(movers, way)).toMatchObject({ chosen: { id: 'n' } })
    expect(chooseMover([{ ...mover, accepts: [] }], { provider: 's3' })).toMatchObject({ chosen: { id: 'm' } })
  })

  test('with none where none does, and each says why', () => {
    const movers = [
      { ...mover, silent: true },
      { ...mover, name: 'n', archives: ['directory'] },
      { ...mover, name: 'o', accepts: ['file'] },
    ]
    expect(chooseMover(movers, way)).toEqual({
      none: [
        'mover m does not answer',
        'mover n has no archives of provider s3',
        'mover o reads and writes by file, the pool by iscsi, nbd',
      ],
    })
  })
})

describe('of the copies on the array of archived snapshots', () => {
  const at = (takenAt: number, base = true): ArchivedOnArray => ({ snapshot: `s${takenAt}`, takenAt, base })
  const how = { increments: true, keepPrimary: false }

  test('the newest stays as the base, and the one before goes', () => {
    expect(settleBase(at(1, false), [], how)).toEqual({ base: true, drop: [] })
    expect(settleBase(at(2, false), [at(1)], how)).toEqual({ base: true, drop: ['s1'] })
  })

  test('an older one that is archived late goes', () => {
    expect(settleBase(at(1, false), [at(2)], how)).toEqual({ base: false, drop: ['s1'] })
  })

  test('what was kept on purpose stays, and serves as the base', () => {
    expect(settleBase(at(2, false), [at(1)], { ...how, keepPrimary: true })).toEqual({ base: false, drop: ['s1'] })
    expect(settleBase(at(1, false), [at(2, false)], how)).toEqual({ base: false, drop: ['s1'] })
    expect(settleBase(at(3, false), [at(2, false)], how)).toEqual({ base: true, drop: [] })
  })

  test('none stays where the array tells no changes', () => {
    expect(settleBase(at(2, false), [at(1)], { ...how, increments: false })).toEqual({
      base: false,
      drop: ['s1', 's2'],
    })
  })
})
