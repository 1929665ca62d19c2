import type { Jobs } from '../jobs/jobs.ts'
import type { Tx } from '../store/store.ts'
import type { SagaHead } from './head.ts'

/** An operation that the controller asks for itself. `account` is whose resource it is about; '' for nobody's. */
export interface InternalOrder<Input> {
  readonly head: SagaHead<Input>
  readonly input: Input
  /** Derived from its reason, so that asking twice for the same reason is asking once. */
  readonly id: string
  readonly account: string
}

/** Records an operation that nobody but the controller asked for. It runs once the transaction has committed. */
export async function submitInternal<Input>(
  tx: Tx,
  jobs: Pick<Jobs<Tx>, 'submit'>,
  order: InternalOrder<Input>,
): Promise<void> {
  const submission = await order.head.submission(tx, order.input)
  await jobs.submit(tx, { ...submission, id: order.id, account: order.account, user: '', command: order.head.name })
}
