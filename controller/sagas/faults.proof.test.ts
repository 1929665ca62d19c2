import { playFaults } from './testing/fault-cells.ts'

playFaults((call) => call.startsWith('array/'))
