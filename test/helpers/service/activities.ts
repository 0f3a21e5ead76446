/** Activities of a service. Their names are ones that a session might use. */
export async function plan(order: string): Promise<string> {
  return `Check order ${order}`;
}

export async function archive(text: string): Promise<string> {
  return `archived ${text}`;
}
