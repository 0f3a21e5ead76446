import type { ChatRequest, WireReply } from './wire.ts';
export const OFFLINE_MODEL = 'offline';
export function offlineReply(_chat: ChatRequest): WireReply { return { text: 'x', toolCalls: [], model: OFFLINE_MODEL }; }
