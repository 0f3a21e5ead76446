/**
 * Message of a query's failure that asks for nothing but the same query again. It stands for a code: the SDK's client passes
 * on nothing else of a failed query.
 */
export const ASK_AGAIN = 'The session has news that no worker has worked on yet. Ask again.';
