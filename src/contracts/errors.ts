/**
 * Every error a user can meet, in one table: whether a retry can help, the exit code of the CLI,
 * and a message that names the bad value and says what to do.
 *
 * An error crosses the workflow boundary as an `ApplicationFailure` whose `type` is the key in this
 * table and whose first detail is the value it names; `toFailure` and `fromFailure` translate.
 */
import { ApplicationFailure } from '@temporalio/common';

/** Exit codes of the CLI: 1 a failed run, 2 wrong use, 3 not found, 4 conflict or wrong state, 5 no server. */
type ExitCode = 1 | 2 | 3 | 4 | 5;

interface ErrorEntry {
  /** Whether trying the same thing again can succeed. */
  readonly retryable: boolean;
  readonly exitCode: ExitCode;
  readonly message: (details: ErrorDetails) => string;
}

/** The values an error names; plain JSON, shown in messages and in `--json` output. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** What to do about each reason for which a model API refuses a request. */
const REFUSAL_ADVICE: Readonly<Record<string, string>> = {
  key: 'Set the right key on the worker (OPENAI_API_KEY for the default provider), then `copilot continue`.',
  credit: "Add credit to the provider's account, then `copilot continue`.",
  quota: 'The account has no quota for this model. Use another model, or have the quota raised.',
  model: 'Name a model that the provider serves: COPILOT_MODEL, or `model` in the files of the team.',
  memory: 'Use a smaller model, or a machine with more memory.',
  address: 'Check OPENAI_BASE_URL: it names a model API, such as https://api.openai.com/v1.',
  access: 'The provider does not serve this account, network or country. Use another provider or network.',
  policy: "The provider's rules forbid this content. Word the message differently.",
};

/** A problem may be a sentence already, such as one that asks what was meant. */
const ended = (problem: string): string => (/[.?!]$/.test(problem) ? problem : `${problem}.`);

export const ERRORS = {
  InvalidInput: {
    retryable: false,
    exitCode: 2,
    message: (d) => `${d['what']} is not valid: ${ended(String(d['problem']))}`,
  },
  InvalidConfig: {
    retryable: false,
    exitCode: 2,
    message: (d) => `${d['name']}=${d['value']} is not valid: ${d['problem']}. Correct or unset ${d['name']}.`,
  },
  PackageMissing: {
    retryable: false,
    exitCode: 1,
    message: (d) =>
      `${d['what']} needs the package ${d['package']}, which is not installed. Run \`npm install --include=optional\`, or \`npm install ${d['package']}\`.`,
  },
  SessionNotFound: {
    retryable: false,
    exitCode: 3,
    message: (d) => `Session ${d['sessionId']} does not exist. \`copilot list\` shows the sessions there are.`,
  },
  SessionExists: {
    retryable: false,
    exitCode: 4,
    message: (d) =>
      `Session ${d['sessionId']} exists already. Choose another id; \`copilot show ${d['sessionId']}\` shows the session that has this one.`,
  },
  SessionClosed: {
    retryable: false,
    exitCode: 4,
    message: (d) =>
      `Session ${d['sessionId']} is ${d['status']} and takes no more messages. Reading it (show, transcript, plan) still works.`,
  },
  WrongState: {
    retryable: false,
    exitCode: 4,
    message: (d) => `This needs a session that is ${d['needs']}; this one is ${d['status']}. ${d['wayOut']}`,
  },
  QueueFull: {
    retryable: true,
    exitCode: 4,
    message: (d) =>
      `${d['waiting']} messages${d['bytes'] ? ` with ${d['bytes']} bytes of text` : ''} are waiting already, and no more are taken${d['limit'] ? ` above ${d['limit']} bytes` : ''}. Send again when a turn has ended, or interrupt the running one.`,
  },
  TooManyWaiting: {
    retryable: true,
    exitCode: 4,
    message: () =>
      'Too many callers wait for turns of this session already. Ask again in a moment, or read the `turns` query.',
  },
  VersionConflict: {
    retryable: false,
    exitCode: 4,
    message: (d) =>
      `The session is at version ${d['actual']}, not ${d['expected']}: somebody else changed it. Load it again, then repeat your change.`,
  },
  ProtectedKey: {
    retryable: false,
    exitCode: 4,
    message: (d) => `Context key "${d['key']}" is protected and keeps its value. Use another key.`,
  },
  ReservedKey: {
    retryable: false,
    exitCode: 2,
    message: (d) => `Context key "${d['key']}" is reserved: only the session itself writes it. Use another key.`,
  },
  SnapshotNotFound: {
    retryable: false,
    exitCode: 3,
    message: (d) => `There is no context snapshot ${d['wanted']}. Known snapshots: ${d['known']}.`,
  },
  RequestNotFound: {
    retryable: false,
    exitCode: 3,
    message: (d) => `There is no request ${d['requestId']} in this session. Requests that wait: ${d['waiting']}.`,
  },
  WebhookNotFound: {
    retryable: false,
    exitCode: 3,
    message: (d) => `There is no webhook ${d['webhookId']}. \`copilot webhooks list\` shows those there are.`,
  },
  AlreadyDecided: {
    retryable: false,
    exitCode: 4,
    message: (d) => `Request ${d['requestId']} was decided already: ${d['decision']}, by ${d['by']} at ${d['at']}.`,
  },
  DigestMismatch: {
    retryable: false,
    exitCode: 4,
    message: (d) =>
      `Request ${d['requestId']} is not what was shown: its digest is ${d['actual']}, not ${d['expected']}. Read it again with \`copilot show ${d['sessionId']} --request ${d['requestId']}\`, then decide.`,
  },
  NotShownWhole: {
    retryable: false,
    exitCode: 4,
    message: (d) =>
      `Request ${d['requestId']} is too long for lists, so its approval must name the digest of the whole. Read it with \`copilot show ${d['sessionId']} --request ${d['requestId']}\`, which prints the digest, then approve with --digest.`,
  },
  RequestExpired: {
    retryable: false,
    exitCode: 1,
    message: (d) => `Nobody decided in time: ${d['question']} \`copilot continue ${d['sessionId']}\` asks again.`,
  },
  Rejected: {
    retryable: false,
    exitCode: 1,
    message: (d) =>
      `${d['by']} did not approve ${d['what']}${d['reason'] ? `: ${d['reason']}` : ''}. Send a new message to go on.`,
  },
  BudgetReached: {
    retryable: false,
    exitCode: 1,
    message: (d) =>
      `The turn used its budget of ${d['limit']} ${d['what']}. \`copilot continue ${d['sessionId']}\` asks again whether to raise it.`,
  },
  TeamNotFound: {
    retryable: false,
    exitCode: 3,
    message: (d) =>
      `There is no team "${d['team']}". Known teams: ${d['known']}; workers look for them where COPILOT_AGENTS_DIR pointed when they started.`,
  },
  InvalidTeam: {
    retryable: false,
    exitCode: 2,
    message: (d) => `${d['file']}:${d['line']}: ${d['problem']}`,
  },
  InvalidTool: {
    retryable: false,
    exitCode: 2,
    message: (d) => `Tool "${d['tool']}" (${d['at']}) cannot be used: ${d['problem']}.`,
  },
  ToolMissing: {
    retryable: true,
    exitCode: 1,
    message: (d) =>
      `This worker lacks the tool "${d['tool']}" of this session's team. Add it to \`tools\` in copilot.config.ts of every worker of the task queue, or remove it from the team's files and run \`copilot configure <session> --refresh-team\`.`,
  },
  UnknownMode: {
    retryable: false,
    exitCode: 2,
    message: (d) => `There is no mode "${d['mode']}". Known modes: ${d['known']}.`,
  },
  McpNotTrusted: {
    retryable: false,
    exitCode: 1,
    message: (d) =>
      `This worker does not open MCP server "${d['server']}" of team ${d['team']}: ${d['problem']}. Run \`copilot configure <session> --refresh-team\` to use the worker's own team, put the same entry into that team's folder on the worker, or set COPILOT_TRUST_TEAMS=1 on the worker, which lets everybody who starts sessions run programs on it.`,
  },
  McpNotConfigured: {
    retryable: false,
    exitCode: 1,
    message: (d) =>
      `MCP server "${d['server']}" of team ${d['team']} cannot be opened by this worker: ${d['problem']}.`,
  },
  McpUnavailable: {
    retryable: true,
    exitCode: 1,
    message: (d) =>
      `MCP server "${d['server']}" of team ${d['team']} does not start: ${d['problem']}. Mend it on the worker; \`copilot continue\` then tries the turn again.`,
  },
  ModelUnavailable: {
    retryable: true,
    exitCode: 1,
    message: (d) =>
      `The model API did not answer as it should (${d['problem']}). ${d['isFinal'] ? 'So it went with every attempt: check the address and the model with `copilot doctor`, then `copilot continue`.' : 'The session retries the call.'}`,
  },
  ModelRejected: {
    retryable: false,
    exitCode: 1,
    message: (d) =>
      `The model API refused the request (${d['problem']}). ${REFUSAL_ADVICE[String(d['refusal'])] ?? `Check the model name "${d['model']}" and the settings of the agent.`}`,
  },
  ContextOverflow: {
    retryable: false,
    exitCode: 1,
    message: (d) =>
      `The conversation is too long for model "${d['model']}" (${d['problem']}). Start a new session or use a model with a larger window.`,
  },
  InvalidModelOutput: {
    retryable: false,
    exitCode: 1,
    message: (d) => `The ${d['what']} cannot be used: ${d['problem']}. Send the message again or use another model.`,
  },
  StepFailed: {
    retryable: false,
    exitCode: 1,
    message: (d) =>
      `Step ${d['step']} failed ${d['attempts']} times: ${String(d['problem']).replace(/\.$/, '')}. The plan is kept; \`copilot continue ${d['sessionId']}\` tries that step again.`,
  },
  ToolFailed: {
    retryable: false,
    exitCode: 1,
    message: (d) => `${d['tool']}: ${d['problem']}`,
  },
  LimitReached: {
    retryable: false,
    exitCode: 1,
    message: (d) =>
      `The turn reached its limit of ${d['limit']} ${d['what']}. Send a narrower message, or raise the limit in the team file.`,
  },
  ServerUnreachable: {
    retryable: true,
    exitCode: 5,
    message: (d) =>
      `No Temporal server answers at ${d['address']} (${d['problem']}). Start one with \`copilot dev\`, or set TEMPORAL_ADDRESS.`,
  },
  HomeServerDown: {
    retryable: true,
    exitCode: 5,
    message: (d) =>
      `The Temporal server of ${d['home']} is not running, and nothing is changed on ${d['address']}, which may be another one. Start it with \`copilot dev\`, or name the server: TEMPORAL_ADDRESS=${d['address']}.`,
  },
  WrongConnection: {
    retryable: false,
    exitCode: 2,
    message: (d) =>
      `${d['name']}${d['value'] ? `=${d['value']}` : ''} does not fit the Temporal server at ${d['address']}: ${d['problem']}. ${d['advice']}.`,
  },
  ServerUnavailable: {
    retryable: false,
    exitCode: 5,
    message: (d) => `${d['problem']} Three ways out: ${d['waysOut']}`,
  },
  FileNotFound: {
    retryable: false,
    exitCode: 3,
    message: (d) =>
      `Session ${d['sessionId']} has no file "${d['path']}". \`copilot files list ${d['sessionId']}\` shows what it has.`,
  },
  FileExists: {
    retryable: false,
    exitCode: 4,
    message: (d) => `The workspace has another file "${d['path']}". Choose another name, or replace it.`,
  },
  FileTooLarge: {
    retryable: false,
    exitCode: 2,
    message: (d) =>
      `File "${d['path']}" has ${d['bytes']} bytes, and the limit is ${d['limit']}. Split it, or raise COPILOT_MAX_FILE_MIB on workers and clients.`,
  },
  FilesUnavailable: {
    retryable: true,
    exitCode: 1,
    message: (d) => `"${d['path']}" was not transferred whole: ${d['problem']}. Nothing was left half done; try again.`,
  },
  StoreUnavailable: {
    retryable: true,
    exitCode: 5,
    message: (d) =>
      `The payload store ${d['place']} cannot be used (${d['problem']}). Check that it is reachable and has room, and its permissions and credentials; the call is retried.`,
  },
  ArchiveUnavailable: {
    retryable: true,
    exitCode: 5,
    message: (d) =>
      `The archive ${d['place']} cannot be used (${d['problem']}). Check its room and permissions on the worker; it is tried again, and the session stays open until its export is there.`,
  },
  SessionStuck: {
    retryable: true,
    exitCode: 1,
    message: (d) =>
      `Session ${d['sessionId']} cannot go on for now: attempt ${d['attempt']} at its next task is under way, since the one before failed (${d['problem']}). It is retried.`,
  },
  NoWorker: {
    retryable: true,
    exitCode: 5,
    message: (d) =>
      `No worker answers on task queue "${d['taskQueue']}". Start one with \`copilot worker\` or \`copilot dev\`.`,
  },
  Internal: {
    retryable: false,
    exitCode: 1,
    message: (d) => `${d['problem']}`,
  },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorType = keyof typeof ERRORS;

/** The one error class of this program; `type` is a key of {@link ERRORS}. */
export class CopilotError extends Error {
  override readonly name = 'CopilotError';
  readonly type: ErrorType;
  readonly details: ErrorDetails;
  readonly retryable: boolean;
  readonly exitCode: ExitCode;

  constructor(type: ErrorType, details: ErrorDetails, options?: ErrorOptions) {
    const entry: ErrorEntry = ERRORS[type];
    super(entry.message(details), options);
    this.type = type;
    this.details = details;
    this.retryable = entry.retryable;
    this.exitCode = entry.exitCode;
  }
}

export interface FailureOptions {
  /** Milliseconds until the next attempt. Default: as the retry policy says. */
  readonly nextRetryDelayMs?: number | undefined;
  /** Stops retries even if another attempt could help. Default false. */
  readonly isFinal?: boolean;
}

/** What the workflow and the activities throw: the same error in the form that Temporal carries. */
export function toFailure(
  type: ErrorType,
  details: ErrorDetails,
  { nextRetryDelayMs, isFinal = false }: FailureOptions = {},
): ApplicationFailure {
  const entry: ErrorEntry = ERRORS[type];
  return ApplicationFailure.create({
    type,
    message: entry.message(details),
    nonRetryable: isFinal || !entry.retryable,
    details: [details],
    ...(nextRetryDelayMs === undefined ? {} : { nextRetryDelay: nextRetryDelayMs }),
  });
}

/** The typed error inside a failure or any of its causes; undefined if there is none of ours. */
export function fromFailure(error: unknown): CopilotError | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof CopilotError) return cause;
    if (cause instanceof ApplicationFailure && isErrorType(cause.type)) {
      return new CopilotError(cause.type, (cause.details?.[0] ?? {}) as ErrorDetails, { cause });
    }
  }
  return undefined;
}

function isErrorType(type: unknown): type is ErrorType {
  return typeof type === 'string' && Object.hasOwn(ERRORS, type);
}
