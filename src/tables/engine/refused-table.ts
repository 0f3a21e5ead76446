/** A table that cannot be used as asked. The message says what is wrong and what the agent can do. */
export class RefusedTable extends Error {
  override readonly name = 'RefusedTable';
}
