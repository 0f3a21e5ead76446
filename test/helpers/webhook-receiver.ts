/** A receiver of webhooks that checks signatures by a package that is not ours. */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { Webhook } from 'standardwebhooks';
import { freePort } from './ports.ts';
import { until } from './history.ts';

export interface Received {
  readonly id: string;
  readonly type: string;
  readonly timestamp: string;
  readonly data: Readonly<Record<string, string | null>>;
}

/** How a receiver answers: a status, or not at all. */
export type Answers = number | 'never';

export class WebhookReceiver {
  readonly url: string;
  /** Deliveries in the order in which they came, whatever was answered. */
  readonly received: Received[] = [];
  /** Secrets of which each must have signed. */
  readonly secrets: string[] = [];
  /** What is wrong with deliveries that came. */
  readonly wrong: string[] = [];
  answers: Answers = 204;
  readonly #server: Server;
  readonly #held = new Set<ServerResponse>();

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.url = `http://127.0.0.1:${port}/hook?for=us`;
    server.on('request', (request, response) => {
      void text(request).then((body) => this.#take(request.headers, body, response));
    });
  }

  static async start(): Promise<WebhookReceiver> {
    const port = await freePort();
    const server = createServer().listen(port, '127.0.0.1');
    await once(server, 'listening');
    return new WebhookReceiver(server, port);
  }

  #take(headers: IncomingHttpHeaders, body: string, response: ServerResponse): void {
    for (const secret of this.secrets) {
      try {
        new Webhook(secret).verify(body, headers as Record<string, string>);
      } catch (error) {
        this.wrong.push(`${String(error)}: ${body}`);
      }
    }
    const id = String(headers['webhook-id']);
    this.received.push({ id, ...(JSON.parse(body) as Omit<Received, 'id'>) }); // what our workers send
    if (this.answers === 'never') this.#held.add(response);
    else response.writeHead(this.answers).end('thank you');
  }

  /** Waits until so many different events of this type have come. */
  async until(type: string, count = 1): Promise<readonly Received[]> {
    return await until(
      `${count} × ${type}`,
      () => {
        const found = new Map(this.received.filter((one) => one.type === type).map((one) => [one.id, one]));
        return Promise.resolve(found.size >= count ? [...found.values()] : undefined);
      },
      120_000,
    );
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
