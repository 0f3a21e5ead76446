/** Every bound of a session in one place. Sizes in UTF-16 units of text unless the name says otherwise. */

/** A message of a person: 256 KiB. Longer material goes in as an attached file. */
export const MAX_MESSAGE_BYTES = 256 * 1024;
/** Messages that may wait while a turn runs. */
export const MAX_QUEUED_MESSAGES = 16;
/** Text of all messages that wait. One more is taken while this is not passed. */
export const MAX_QUEUED_BYTES = 256 * 1024;
/** Workflows that may wait for an answer of a session. */
export const MAX_ASKERS = 64;
/** Update handlers that may wait for a turn; Temporal takes 10 updates in flight, the rest is for interrupt and others. */
export const MAX_WAITING_HANDLERS = 6;
/** Message ids remembered for de-duplication, through continue-as-new. */
export const MAX_REMEMBERED_MESSAGES = 256;
/** In lists, the times of a session whose turns follow each other quickly are at most so much earlier than its own. */
export const MAX_LISTED_TIME_LAG_MS = 15_000;
/** Ended turns kept in the session's state, and so in `turns`. The transcript has older ones. */
export const MAX_RECENT_TURNS = 20;
/** Size of those turns as JSON, in UTF-16 units: with long plans fewer are kept. */
export const MAX_RECENT_TURNS_TEXT = 128 * 1024;
/** Text of one tool result in the conversation; the whole is kept as a file in the workspace. */
export const MAX_TOOL_TEXT = 25_000;
/**
 * Messages of the steps and direct answers that run: 384 KiB. The session carries them when it continues as new, beside
 * everything else, and Temporal takes 2 MiB. If there is more, the oldest tool results are left out.
 */
export const MAX_WORK_BYTES = 384 * 1024;
/**
 * An update, or the start of a session, as JSON. Temporal takes 2 MiB in an event, including what it adds, and ends a
 * session that accepts a larger update.
 */
export const MAX_PAYLOAD_BYTES = 2 * 1024 * 1024 - 16 * 1024;
/**
 * State with which a session may continue as new: 1.5 MiB. Temporal takes 2 MiB, and more messages may come while the
 * session waits for its handlers. With more it stays in its run until a turn or a message has ended.
 */
export const MAX_CARRIED_BYTES = 1536 * 1024;
/** Plan of a caller's own, as JSON. */
export const MAX_SAVED_PLAN_BYTES = 256 * 1024;
/** What a step says of itself. */
export const MAX_SUMMARY = 4_000;
/** The result of a step as JSON, if it has a schema. The rest of the summary stands before it. */
export const MAX_RESULT = 3_000;
/** Text of one model reply. */
export const MAX_REPLY_TEXT = 100_000;
/** Live transcript at which the oldest messages leave it: 48,000 tokens of about four bytes. */
export const MAX_TRANSCRIPT_BYTES = 48_000 * 4;
/** What stays in the live transcript then: 12,000 tokens. */
export const KEPT_TRANSCRIPT_BYTES = 12_000 * 4;
/** Context, as JSON: all keys together. */
export const MAX_CONTEXT_BYTES = 256 * 1024;
/** Progress events kept in memory for followers of the present run. */
export const MAX_PROGRESS_EVENTS = 1_000;
/** Remarks on ignored signals. */
export const MAX_NOTES = 20;
/** Text of partial output that a heartbeat carries: 8 KiB. The same for reasoning. */
export const MAX_HEARTBEAT_TEXT = 8 * 1024;
/** One image: 10 MiB. */
export const MAX_IMAGE_BYTES = 10 * 1024 * 1024;
/** All images of one request to a model: 20 MiB. The newest are sent. */
export const MAX_REQUEST_IMAGE_BYTES = 20 * 1024 * 1024;
/** Images of one message. */
export const MAX_IMAGES = 100;
/** Tokens that an image counts as in estimates. Providers take some 250 to 1,600 for one. */
export const IMAGE_TOKENS = 1_500;
/** The end of a call's reasoning that is kept for followers: 16 KiB. */
export const MAX_REASONING_TEXT = 16 * 1024;

/**
 * Events of a run after which the session continues as new. A cold worker replays at most about this
 * many; `npm run bench -- cold` shows what that costs.
 */
export const DEFAULT_HISTORY_LIMIT = 200;

/** Milliseconds without a message after which an active session expires: 24 hours. */
export const DEFAULT_IDLE_TIMEOUT_MS = 24 * 60 * 60 * 1_000;

/** Longest time in ms that anything waits: ten years. */
export const MAX_WAIT_MS = 10 * 365 * 24 * 60 * 60 * 1_000;
/** Milliseconds until a request to a person expires: 30 minutes. */
export const DEFAULT_APPROVAL_TIMEOUT_MS = 30 * 60 * 1_000;
/** Milliseconds that an agent's question waits for an answer: 60 minutes. */
export const DEFAULT_INPUT_TIMEOUT_MS = 60 * 60 * 1_000;
/** Decided requests kept for readers. */
export const MAX_DECISIONS = 50;
/** Rounds in which a person may have a plan changed. */
export const MAX_PLAN_CHANGES = 3;
/** Times that a person may have a step done again. */
export const MAX_STEP_REDOS = 2;
/** Hand-offs in one step or direct answer, unless the team says something else. */
export const DEFAULT_HANDOFFS = 5;
/** Text of the arguments or steps that a request carries. The `request` query gives those that are longer. */
export const MAX_SHOWN_SUBJECT = 16_000;
/** The same in the record of decided requests. */
export const MAX_RECORDED_SUBJECT = 4_000;

/** Calls with outside effects of a turn that agents are told about if they begin their work again. */
export const MAX_EFFECTS = 50;

/** How often a call that had no effect is begun again after its worker was cut off. Then a person is asked. */
export const MAX_CALL_ATTEMPTS = 3;
/** Arguments that a person gives a call, as JSON: 128 KiB. */
export const MAX_EDITED_ARGUMENTS = 128 * 1024;
