/** A conversation as a virtual object of Restate, served by a process. Arguments: port, model URL. */
import * as restate from '@restatedev/restate-sdk';
import { askModel, type Message } from '../../ask-model.ts';

const [port = '', modelUrl = ''] = process.argv.slice(2);

const conversation = restate.object({
  name: 'conversation',
  handlers: {
    open: async (ctx: restate.ObjectContext): Promise<void> => {
      ctx.set('messages', []);
    },
    send: async (ctx: restate.ObjectContext, text: string): Promise<string> => {
      const messages = (await ctx.get<Message[]>('messages')) ?? [];
      messages.push({ role: 'user', content: text });
      const reply = await ctx.run('model', () => askModel(modelUrl, messages));
      messages.push({ role: 'assistant', content: reply });
      ctx.set('messages', messages);
      return reply;
    },
  },
});

export type Conversation = typeof conversation;

await restate.serve({ services: [conversation], port: Number(port) });
console.error('restate service ready');
