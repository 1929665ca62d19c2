import { expect, test } from 'vitest'
import { argumentsOf, receive, valueOf } from './received.ts'

test('query and form are one request, and names are found whatever their case', () => {
  const received = receive('command=listVolumes&listAll=true', 'ApiKey=x')
  expect(valueOf(received, 'apikey')).toBe('x')
  expect(argumentsOf(received).given.get('listall')).toEqual({ text: 'true' })
})

test('of a parameter sent twice the first holds', () => {
  expect(argumentsOf(receive('a=1&A=2')).given.get('a')).toEqual({ text: '1' })
})

test('entries of a map are found with raw and with escaped brackets, and keep the case of their keys', () => {
  const { given, broken } = argumentsOf(receive('details[0].minIops=5&Details%5B1%5D.key=a&details%5b1%5d.value=b'))
  expect(given.get('details')).toEqual({
    entries: [
      { index: 0, key: 'minIops', value: '5' },
      { index: 1, key: 'key', value: 'a' },
      { index: 1, key: 'value', value: 'b' },
    ],
  })
  expect([...broken]).toEqual([])
})

test.each(['details[x].a=1', 'details[0]a=1', 'details[0].=1', 'details[0].a[1]=1', 'details[]=1', 'details[-1].a=1'])(
  'the map of %s is broken',
  (query) => {
    expect([...argumentsOf(receive(query)).broken]).toEqual(['details'])
  },
)

test.each(['a=%zz', 'a=%ff', '%=1', 'a=%00', 'a%00=1'])('%s is refused as malformed', (query) => {
  expect(() => receive(query)).toThrow(/percent-encoded UTF-8/)
})

test('an endless list of parameters is refused', () => {
  expect(() => receive('a=1&'.repeat(3000))).toThrow(/More than 2048 parameters/)
})

test('a parameter without a value is empty, and what is empty is nothing', () => {
  expect(receive('a&&b=')).toEqual([
    { rawName: 'a', rawValue: '', name: 'a', value: '' },
    { rawName: 'b', rawValue: '', name: 'b', value: '' },
  ])
})
