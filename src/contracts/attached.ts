/** Who follows a session now. It is told and asked by a query, so that it costs no history. */
import { defineQuery } from './define-message.ts';
import { z } from 'zod';
import { Label } from './session.ts';

/** Milliseconds without a sign of life after which a client counts as gone: five minutes. */
export const MAX_SILENCE_MS = 5 * 60 * 1_000;
/** Clients of one session that are remembered. */
export const MAX_ATTACHED = 1_000;

/** `page`: a browser. `gateway`: another program that uses the gateway. */
const ClientKind = z.enum(['cli', 'library', 'page', 'gateway']);

/** A program that follows a session now. */
export const AttachedClient = z.strictObject({
  /** Of this following. */
  id: z.string().min(1).max(64),
  /** The principal of the gateway, or user and host. */
  name: Label,
  kind: ClientKind,
  /** ISO time. */
  since: z.iso.datetime(),
});
export type AttachedClient = z.infer<typeof AttachedClient>;

export const AttachPayload = z.strictObject({
  /** The caller's time. The session itself has no clock when nothing happens in it. */
  now: z.iso.datetime(),
  /** Clients that live. */
  here: z.array(AttachedClient).max(MAX_ATTACHED),
  /** Ids of clients that have left. */
  left: z.array(z.string().max(64)).max(MAX_ATTACHED),
});
export type AttachPayload = z.infer<typeof AttachPayload>;

/** Takes signs of life, and gives who follows the session. */
export const attached = defineQuery<readonly AttachedClient[], [AttachPayload]>('attached');
