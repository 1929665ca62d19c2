import { describe, expect, test } from 'vitest'
import { checkNeeded, readAsked } from './arguments.ts'
import { candidates, completionScript } from './completion.ts'
import { helpOf, helpOfVerb, usage } from './help.ts'
import { fieldsOf, tableOf } from './table.ts'
import { ALL_WORDS, findWords, flat, OWN_VERBS } from './words.ts'

describe('every command of the API', () => {
  test('has a verb and a noun of its own, apart from the words of the command line itself', () => {
    const typed = ALL_WORDS.map(({ verb, noun }) => `${verb} ${flat(noun)}`)
    expect(new Set(typed).size).toBe(typed.length)
    expect(typed.length).toBeGreaterThan(90)
    for (const { verb, noun, command } of ALL_WORDS) {
      expect(verb).toMatch(/^[a-z]+$/)
      expect(noun).toMatch(/^([a-z0-9]+(-[a-z0-9]+)*)?$/)
      expect(OWN_VERBS).not.toContain(verb)
      expect(findWords(verb, noun)?.command).toBe(command)
    }
    expect(findWords('list', 'storagepools')?.command).toBe('listStoragePools')
    expect(findWords('list', 'storage-pools')?.command).toBe('listStoragePools')
  })

  test('has a help that names each parameter, and is in the help of all', () => {
    const all = usage()
    for (const words of ALL_WORDS) {
      const help = helpOf(words)
      for (const name of Object.keys(words.facts.params)) expect(help).toContain(`--${name} `)
      expect(helpOfVerb(words.verb)).toContain(words.facts.about)
      expect(all).toContain(words.noun)
    }
  })
})

describe('a command line', () => {
  test('gives parameters as flags or pairs, of their types', () => {
    const argv = ['create', 'storage-pool', '--name', 'gold', '--managed', '--capacityiops=5000', 'zoneid=z', '--json']
    const asked = readAsked([...argv, '--tags', 'ssd,fast', '--details', 'user=u', '--details', 'password=a=b'])
    expect(asked.words.command).toBe('createStoragePool')
    expect(asked.params).toEqual({
      name: 'gold',
      managed: true,
      capacityiops: 5000,
      zoneid: 'z',
      tags: ['ssd', 'fast'],
      details: { user: 'u', password: 'a=b' },
    })
    expect(asked.output).toMatchObject({ json: true, wait: false })
    expect(readAsked(['list', 'volumes', '--listall', 'false', '--columns', 'id,name'])).toMatchObject({
      params: { listall: false },
      output: { columns: ['id', 'name'] },
    })
  })

  test.each([
    ['there is no command list moons', ['list', 'moons']],
    ['list volumes: takes no --colour', ['list', 'volumes', '--colour', 'red']],
    ['list volumes: takes no stray', ['list', 'volumes', 'stray']],
    ['--id: needs a value', ['list', 'volumes', '--id']],
    ['--pagesize: must be a whole number; got x', ['list', 'volumes', '--pagesize', 'x']],
    ['--listall: must be true or false; got maybe', ['list', 'volumes', '--listall=maybe']],
    ['--details: must be KEY=VALUE', ['create', 'storage-pool', '--details', 'x']],
  ])('that cannot be followed is refused: %s', (says, argv) => {
    expect(() => readAsked(argv)).toThrow(says)
  })

  test('without what the command needs is refused, naming all of it', () => {
    expect(() => checkNeeded(readAsked(['attach', 'volume', '--id', 'x']))).toThrow(/needs --virtualmachineid; see/)
  })
})

test('what can stand next is known for verbs, nouns and parameters that were not given', () => {
  expect(candidates([], 'at')).toEqual(['attach'])
  expect(candidates([], 'do')).toEqual(['doctor'])
  expect(candidates(['list'], 'disk')).toEqual(['disk-offerings'])
  expect(candidates(['attach', 'volume'], '--i')).toEqual(['--id'])
  expect(candidates(['attach', 'volume', '--id', 'x'], '--i')).toEqual([])
  expect(candidates(['completion'], '')).toEqual(['bash', 'zsh', 'fish'])
  for (const shell of ['bash', 'zsh', 'fish']) expect(completionScript(shell)).toContain('moorage __complete')
  expect(() => completionScript('csh')).toThrow('must be bash, zsh, fish')
})

test('a table has the fields that say most and are there, and one object a line for each field', () => {
  const rows = [
    { id: '1', zonename: 'z', name: 'a', secret: undefined, tags: [{ key: 'k' }] },
    { id: '2', zonename: 'z', name: 'long name' },
  ]
  const fields = ['zonename', 'id', 'name', 'secret', 'tags']
  expect(tableOf(rows, { fields, columns: undefined })).toBe(
    'ID  NAME       ZONENAME  TAGS\n1   a          z         [{"key":"k"}]\n2   long name  z\n',
  )
  expect(tableOf(rows, { fields, columns: ['name'] })).toBe('NAME\na\nlong name\n')
  expect(tableOf([], { fields, columns: undefined })).toBe('')
  expect(fieldsOf({ id: '1', name: 'a' })).toBe('id    1\nname  a\n')
})
