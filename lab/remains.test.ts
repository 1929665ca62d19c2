import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { layoutAt } from './layout.ts'
import { removeData } from './remains.ts'

let parent: string
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'moorage-remains-'))
})
afterEach(() => rmSync(parent, { recursive: true }))

function lab(...folders: readonly string[]) {
  const root = join(parent, ...folders)
  for (const part of ['controller', 'san', 'hostd', 'mover', 'archive', 'files']) {
    mkdirSync(join(root, part), { recursive: true })
    writeFileSync(join(root, `${part}.log`), '')
  }
  writeFileSync(join(root, 'san.credentials.json'), '')
  return layoutAt(root, { api: 1, integration: 2, san: 3, hostd: 4, portal: 5, mover: 6 })
}

describe('removing the data of a lab', () => {
  test('leaves no folder of it, nor the one made around it', () => {
    expect(removeData(lab('.moorage', 'lab'))).toEqual([])
    expect(existsSync(join(parent, '.moorage'))).toBe(false)
    expect(existsSync(parent)).toBe(true)
  })

  test('keeps and names what others put there, as when the lab was put into a home directory', () => {
    const at = lab('home')
    writeFileSync(join(at.root, 'letters.txt'), 'dear')
    expect(removeData(at)).toEqual(['letters.txt'])
    expect(existsSync(join(at.root, 'letters.txt'))).toBe(true)
    expect(existsSync(at.san)).toBe(false)
  })
})
