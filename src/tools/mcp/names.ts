/** Names of tools of MCP servers: `server.tool`, or `server.*` for all of a server in the list of an agent. */

/** The server and its tool, or undefined for the name of a built-in tool. The name of a tool may itself have dots. */
export function splitName(name: string): { server: string; tool: string } | undefined {
  const dot = name.indexOf('.');
  return dot < 0 ? undefined : { server: name.slice(0, dot), tool: name.slice(dot + 1) };
}
