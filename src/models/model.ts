/** What a model is to the rest of the program, whichever API serves it. */
import type { Json } from '../contracts/json.ts';
import type { ReasoningEffort } from '../contracts/team.ts';

export type { ReasoningEffort };

/** An API of models, with its address and key. One worker opens it once and shares it. */
export interface Provider {
  /** Its name in the configuration. What a reply keeps for this provider goes back to this name only. */
  readonly name: string;
  /** What it speaks, and where, for people: `chat completions at http://localhost:11434/v1`. */
  readonly api?: string;
  /** A model by the name that the API knows it by. Opens nothing: models of a provider share its connections. */
  model(name: string): Model;
  /**
   * The names of its models, if it has a list of them.
   * @throws ModelError as a call would, and the reason of `signal` after an abort
   */
  list?(signal: AbortSignal): Promise<readonly string[]>;
  /** Closes all connections. Calls under way fail as `ModelUnavailable`. */
  close(): Promise<void>;
}

export interface Model {
  /** `provider/name`. */
  readonly id: string;
  /**
   * Asks once. It repeats nothing that may pass by itself: Temporal does that, and counts. It asks again without
   * whatever the server refuses, and remembers that.
   * @throws ModelError `ModelUnavailable` (perhaps with `retryAfterMs`), `ModelRejected` or `ContextOverflow`; the
   * reason of `signal` after an abort
   */
  reply(request: ModelRequest): Promise<ModelReply>;
}

export interface ModelRequest {
  /** The system message; may be empty. */
  readonly system: string;
  readonly messages: readonly ModelMessage[];
  readonly tools?: readonly ToolSchema[];
  /** Default: the model's own. A model that refuses it is asked again without. */
  readonly temperature?: number;
  /** Longest reply in tokens, reasoning included. Default: the model's own. */
  readonly maxOutputTokens?: number;
  /** How much the model thinks before it answers. Default: the model's own. */
  readonly effort?: ReasoningEffort;
  /** Asks for JSON of this schema. The text still needs checking: not every server enforces it. */
  readonly output?: OutputSchema;
  /** Stays the same for all requests of a conversation, so that the API finds what it has cached. */
  readonly cacheKey?: string;
  /** Closes the connection; `reply` then rejects with the signal's reason. */
  readonly signal: AbortSignal;
  /** Gets the text as it comes. */
  readonly onText?: (delta: string) => void;
  /** Gets the summary of the model's reasoning as it comes. It is no part of the reply. */
  readonly onReasoning?: (delta: string) => void;
  /** Called before the request is sent again without what the model refused. */
  readonly onLesson?: (lesson: ModelLesson) => void;
}

/** Something that a model does not take, and that its provider leaves out from now on. */
export interface ModelLesson {
  readonly model: string;
  /** For example `temperature`, or `output by schema`. */
  readonly gaveUp: string;
  /** The tool that is left out, if it is one. */
  readonly tool?: string;
  /** What the server said. */
  readonly problem: string;
}

export interface OutputSchema {
  readonly name: string;
  readonly schema: Readonly<Record<string, unknown>>;
}

export interface ToolSchema {
  /** Any text: a name that the API does not take is translated on the way there and back. */
  readonly name: string;
  readonly description: string;
  /** JSON schema of the arguments. */
  readonly parameters: Readonly<Record<string, unknown>>;
}

export interface ModelImage {
  /** What the model is told that it is called. */
  readonly name?: string | undefined;
  /** For example `image/png`. */
  readonly mediaType: string;
  readonly base64: string;
}

export type ModelMessage =
  | { readonly role: 'user'; readonly text: string; readonly images?: readonly ModelImage[] | undefined }
  | {
      readonly role: 'assistant';
      readonly text: string;
      readonly toolCalls?: readonly ModelToolCall[] | undefined;
      readonly providerData?: ProviderData | undefined;
    }
  | {
      readonly role: 'tool';
      readonly toolCallId: string;
      readonly text: string;
      readonly images?: readonly ModelImage[] | undefined;
    };

export interface ModelToolCall {
  readonly id: string;
  readonly name: string;
  /** JSON text of an object. */
  readonly arguments: string;
  /** Why the call cannot be run as the model wrote it; its arguments are then `{}`. */
  readonly problem?: string | undefined;
}

/** What a provider needs back with its own message, such as encrypted reasoning. Nobody else looks into it. */
export interface ProviderData {
  readonly provider: string;
  readonly items: readonly Json[];
}

/**
 * `length`: the limit of tokens cut it off. `filtered`: a filter of the provider cut it off. `refused`: the model
 * declined, and `text` is what it said. `failed`: the provider ended it with an error of its own.
 */
export type Finish = 'stop' | 'tool_calls' | 'length' | 'filtered' | 'refused' | 'failed';

export interface ModelReply {
  readonly text: string;
  /** What the model shows of its reasoning: all that `onReasoning` got. */
  readonly reasoning: string;
  readonly toolCalls: readonly ModelToolCall[];
  readonly finish: Finish;
  readonly usage: TokenUsage;
  /** Name of the model that answered, as the server gives it. */
  readonly model: string;
  readonly providerData?: ProviderData;
  /** Whether it was cut off because it said one thing over and over; `finish` is then `length`. */
  readonly repeats?: boolean;
  /** Names of tools that its server refuses, so that the model was asked without them. */
  readonly toolsLeftOut?: readonly string[];
  /** Whether the model wrote its calls into the text instead of making them. */
  readonly wroteCalls?: boolean;
}

/** Tokens of one call. */
export interface TokenUsage {
  /** All input tokens, cached ones included. */
  readonly inputTokens: number;
  /** Input tokens that were read from the provider's cache. */
  readonly cachedTokens: number;
  /** Input tokens that were written to it, if the provider charges for that. */
  readonly cacheWriteTokens: number;
  /** All output tokens, reasoning included. */
  readonly outputTokens: number;
  readonly reasoningTokens: number;
  /** Whether the server did not count and the figures are estimated from the length of the texts. */
  readonly isEstimate: boolean;
}
