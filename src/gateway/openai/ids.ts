/** Ids of the OpenAI API that say where in a session something is, so that the gateway has to remember nothing. */
import { GatewayError } from '../problem.ts';

const CONVERSATION = 'conv_';
const RESPONSE = /^resp_(.+)\.(\d{1,15})\.(turn-\d{1,15})$/;

export const conversationId = (sessionId: string): string => CONVERSATION + sessionId;

/** @throws GatewayError `NotFound` */
export function sessionOf(conversation: string): string {
  if (conversation.startsWith(CONVERSATION)) return conversation.slice(CONVERSATION.length);
  throw new GatewayError('NotFound', `There is no conversation "${conversation}".`);
}

/** A response is what a turn does from one event on, until it ends or waits for a person. */
export interface ResponseRef {
  readonly sessionId: string;
  readonly turnId: string;
  /** Number of its first event. */
  readonly from: number;
}

export const responseId = ({ sessionId, turnId, from }: ResponseRef): string => `resp_${sessionId}.${from}.${turnId}`;

/** @throws GatewayError `NotFound` */
export function parseResponseId(id: string): ResponseRef {
  const [, sessionId, from, turnId] = RESPONSE.exec(id) ?? [];
  if (sessionId === undefined || turnId === undefined)
    throw new GatewayError('NotFound', `There is no response "${id}".`);
  return { sessionId, turnId, from: Number(from) };
}
