export {
  ApiError,
  type ApiClient,
  type ClientOptions,
  createClient,
  type Keys,
  type Progress,
  type RunOptions,
} from './client.ts'
export type { CommandFacts, ParamFacts } from './facts.ts'
export { COMMANDS, type Commands } from './generated/commands.ts'
export type { ParamValue } from './request.ts'
