/**
 * The message of a query that failed because it came too early. Clients compare the whole text, as they would a code: of a
 * failed query the SDK's client passes on nothing else.
 */
export const ASK_AGAIN = 'Something has happened in the session that no worker has handled yet. Repeat the query.';
