/** The call of the model that peers make which bring none of their own. */

export interface Message {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

interface Completion {
  readonly choices: readonly { readonly message: { readonly content: string } }[];
}

/** @throws Error that the peer retries as it retries any step */
export async function askModel(baseUrl: string, messages: readonly Message[]): Promise<string> {
  const response = await fetch(`${baseUrl}/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer bench' },
    body: JSON.stringify({ model: 'bench', messages }),
  });
  if (!response.ok) throw new Error(`The model answered with status ${response.status}.`);
  const { choices } = (await response.json()) as Completion; // the benchmark's own model
  return choices[0]?.message.content ?? '';
}
