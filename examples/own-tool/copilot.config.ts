/** A tool of one's own. Urgent tickets wake somebody up, so a person approves them first. */
import { createHash } from 'node:crypto';
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
// In a project of your own: from 'durable-copilot/worker'.
import { defineConfig, defineTool } from '../../src/worker.ts';

const openTicket = defineTool({
  name: 'open_ticket',
  description: 'Opens a ticket for the support team, and returns its number.',
  parameters: z.object({
    title: z.string().min(1).describe('What is wrong, in one line.'),
    priority: z.enum(['normal', 'urgent']).default('normal').describe('Urgent wakes somebody up.'),
  }),
  category: 'network',
  effects: 'external',
  timeoutMs: 10_000,
  needsApproval: ({ priority }) => priority === 'urgent',
  async run({ title, priority }, { idempotencyKey, workspace, report }) {
    report('opening a ticket');
    // The key is the same if the call is made again. A ticket system that is given it opens no second ticket.
    const number = createHash('sha256').update(idempotencyKey).digest('hex').slice(0, 6);
    await appendFile(join(workspace, 'tickets.jsonl'), `${JSON.stringify({ number, title, priority })}\n`);
    return { number, priority };
  },
});

export default defineConfig({ teams: 'teams', tools: [openTicket] });
