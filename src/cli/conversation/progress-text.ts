/** Writes the events of a session as lines for people, and the models' text while it is written. */
import type { FollowEvent } from '../../client/follow/follower.ts';
import { requestLine } from '../people/request-text.ts';
import { paint, shorten } from '../terminal.ts';

const MAX_TASK = 120;
const MARKS = { completed: '✓', failed: '✗', skipped: '⤼', pending: '·', 'in-progress': '▶' } as const;

export interface ProgressTextOptions {
  /** Default stdout. */
  readonly stream?: NodeJS.WriteStream;
  /** Whether the message of each turn is shown. Default true. */
  readonly showsMessages?: boolean;
}

/** Turns events into text, and remembers whether the cursor is behind an unfinished line. */
export class ProgressText {
  /** The shown text of the latest model call. */
  latestText = '';
  readonly #stream: NodeJS.WriteStream;
  readonly #showsMessages: boolean;
  #writing: string | undefined;
  #isInLine = false;

  constructor({ stream = process.stdout, showsMessages = true }: ProgressTextOptions = {}) {
    this.#stream = stream;
    this.#showsMessages = showsMessages;
  }

  show(event: FollowEvent): void {
    if (event.type === 'token') return this.#write(event.activityId, event.text);
    if (event.type === 'retry') return this.line('yellow', retryLine(event));
    if (event.type === 'reset') {
      this.latestText = '';
      this.#writing = undefined;
      return this.line('yellow', '↻ this reply starts over');
    }
    const text = this.#describe(event);
    if (text !== undefined) this.line(...text);
  }

  /** Writes a separate line, also in the middle of a model's text. */
  line(style: Parameters<typeof paint>[0] | undefined, text: string): void {
    this.endLine();
    this.#stream.write(`${style === undefined ? text : paint(style, text, this.#stream)}\n`);
  }

  endLine(): void {
    if (this.#isInLine) this.#stream.write('\n');
    this.#isInLine = false;
  }

  #write(activityId: string, text: string): void {
    if (this.#writing !== activityId) {
      this.endLine();
      this.#writing = activityId;
      this.latestText = '';
    }
    this.latestText += text;
    this.#stream.write(text);
    this.#isInLine = !text.endsWith('\n');
  }

  #describe(
    event: Exclude<FollowEvent, { type: 'token' | 'reset' | 'retry' }>,
  ): Parameters<typeof this.line> | undefined {
    switch (event.type) {
      case 'turn-started':
        return this.#showsMessages ? ['bold', `Turn ${event.number}: ${shorten(event.text, MAX_TASK)}`] : undefined;
      case 'routed':
        return ['cyan', `→ ${event.route} · ${event.agent}: ${shorten(event.reason, MAX_TASK)}`];
      case 'planned':
        return [
          'cyan',
          [
            'Plan:',
            ...event.steps.map(({ number, agent, task }) => `  ${number}. ${shorten(task, MAX_TASK)} (${agent})`),
          ].join('\n'),
        ];
      case 'step-started': {
        const again = event.attempt > 1 ? ` (attempt ${event.attempt})` : '';
        return ['bold', `▶ step ${event.step}${again} · ${event.agent}: ${shorten(event.task, MAX_TASK)}`];
      }
      case 'step-ended': {
        const style = event.status === 'failed' ? 'red' : 'green';
        return [
          style,
          `${MARKS[event.status]} step ${event.step} ${event.status}: ${shorten(event.summary, MAX_TASK)}`,
        ];
      }
      case 'model-ended':
        this.endLine();
        return undefined;
      case 'tool-started':
        return ['dim', `  ⚙ ${event.summary}`];
      case 'tool-ended':
        return event.status === 'ok'
          ? undefined
          : ['yellow', `  ✗ ${event.status === 'unknown' ? 'its outcome is unknown' : 'it failed'}`];
      case 'turn-ended':
        return event.status === 'completed' ? undefined : ['yellow', `Turn ${event.number} ${event.status}`];
      case 'session':
        return ['yellow', `Session ${event.status}${event.reason === undefined ? '' : `: ${event.reason}`}`];
      case 'request':
        return ['yellow', requestLine(event.request)];
      case 'decided':
        return ['dim', `  ${event.requestId}: ${event.decision}, by ${event.by}`];
      case 'handed-off':
        return ['cyan', `→ ${event.from} hands over to ${event.to}`];
      case 'plan-edited':
        return ['cyan', 'The plan was changed.'];
      case 'compacted':
        return ['dim', `${event.messages} older messages were summarised.`];
      case 'note':
        return ['yellow', `! ${event.text}`];
      case 'queued':
      case 'model-started':
        return undefined;
    }
  }
}

/** In the words of `copilot show`. */
function retryLine({ attempt, error, nextAttemptAt }: Extract<FollowEvent, { type: 'retry' }>): string {
  return `↻ attempt ${attempt} ${nextAttemptAt === null ? 'follows' : `comes at ${nextAttemptAt}`}. ${error.type}: ${error.message}`;
}
