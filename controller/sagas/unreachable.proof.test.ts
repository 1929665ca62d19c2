import { playUnreachable } from './testing/unreachable.ts'

playUnreachable(({ saga }) => saga.startsWith('v'))
