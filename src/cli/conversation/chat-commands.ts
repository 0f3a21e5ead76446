/** What a chat takes for its own and never sends to the session. */

export const CHAT_COMMANDS = `  /help      this list
  /show      all of the request that waits
  /continue  takes up a suspended session, or the failed step of the last turn
  /quit      leaves; the session goes on ("exit" does the same)
Enter sends. Alt-Enter, or \\ at the end of a line, begins another line; a paste is one text.
y or n decides a request, or one of the words that it names. Ctrl-C stops the turn.`;

/**
 * The name of the command that a typed line is; undefined if the line is a text. A path such as /etc/hosts is a text, and
 * so is whatever begins with a space.
 */
export function chatCommandOf(line: string): string | undefined {
  const name = /^\/([\w?-]*)(?:\s|$)/.exec(line)?.[1]?.toLowerCase();
  if (name === undefined) return undefined;
  return { '?': 'help', h: 'help', exit: 'quit', q: 'quit' }[name] ?? name;
}
