import { LANGUAGE_RULES } from './language.ts'
import { noPlugInNames } from './plug-in-names.ts'
import { REASON_RULES } from './reasons.ts'
import type { Rule } from './rule.ts'
import { TEST_RULES } from './testing.ts'
import { TEXT_RULES } from './text.ts'

/** Every rule that a file alone can break. A rule that is not here is not kept. */
export const RULES: readonly Rule[] = [...LANGUAGE_RULES, ...REASON_RULES, ...TEST_RULES, ...TEXT_RULES, noPlugInNames]
