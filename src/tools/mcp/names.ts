/** Names of MCP tools: `server.tool`, or `server.*` for all tools of a server in an agent's list. */

/** The server and its tool, or undefined for a built-in tool. The tool's own name may contain dots. */
export function splitName(name: string): { server: string; tool: string } | undefined {
  const dot = name.indexOf('.');
  return dot < 0 ? undefined : { server: name.slice(0, dot), tool: name.slice(dot + 1) };
}
