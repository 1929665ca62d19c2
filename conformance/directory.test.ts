import { describe, test } from 'vitest'
import { archiveConformance } from './index.ts'
import { directoryArchiveSubject } from './testing/directory.ts'

describe('an archive in a directory', () => {
  archiveConformance({ test, subject: directoryArchiveSubject() })
})
