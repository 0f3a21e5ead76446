/** A session as one file: what `export` writes and `import` and `fork` make a session of. */
import { z } from 'zod';
import { ContextState } from './context.ts';
import { Usage } from './json.ts';
import { Label, Rating, SavedPosition, Segment, SessionConfig, SessionStatus } from './session.ts';
import { Name, ResolvedTeam } from './team.ts';
import { Message } from './transcript.ts';
import { TurnView } from './turn.ts';

/**
 * Everything of a session but what runs or waits; plain JSON. Ephemeral values of the context are not in it.
 *
 * Schema versions:
 * - 1: the first.
 */
export const SessionExport = z.strictObject({
  format: z.literal('durable-copilot session'),
  schemaVersion: z.literal(1),
  exportedAt: z.string(),
  session: z.strictObject({
    id: z.string(),
    name: Label,
    user: Label.nullable(),
    mode: Name,
    status: SessionStatus,
    config: SessionConfig,
    createdAt: z.string(),
    updatedAt: z.string(),
    version: z.int(),
    turnCount: z.int().min(0),
    saved: SavedPosition.nullable(),
  }),
  team: ResolvedTeam,
  conversation: z.array(Message),
  /** The newest turns, oldest first. */
  turns: z.array(TurnView),
  context: ContextState,
  usage: z.record(z.string(), Usage),
  /** Originals of summarised messages, in the archive. */
  segments: z.array(Segment),
  ratings: z.array(Rating),
  /** Messages that a summary stands for in `conversation`, oldest first, as far as the server still has them. */
  earlier: z.array(Message).optional(),
});
export type SessionExport = z.infer<typeof SessionExport>;
