import { playFaults } from './testing/fault-cells.ts'

// Of hosts, and of movers.
playFaults((call) => !call.startsWith('array/'))
