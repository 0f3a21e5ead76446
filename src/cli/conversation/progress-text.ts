/** Writes the events of a session as lines for people, and the models' text while it is written. */
import type { FollowEvent } from '../../client/follow/follower.ts';
import type { ReasoningEvent } from '../../client/follow/streamed-text.ts';
import { visibleWithBlanks } from '../../contracts/visible-text.ts';
import { requestLine } from '../people/request-text.ts';
import { out, type Output, paint, shorten, type Style } from '../terminal.ts';

const MAX_TASK = 120;
const MARKS = { completed: '✓', failed: '✗', skipped: '⤼', pending: '·', 'in-progress': '▶' } as const;

export interface ProgressTextOptions {
  /** Default stdout. */
  readonly output?: Output;
  /** Named in commands that show more. */
  readonly sessionId?: string;
  /** Whether the message of each turn is shown. Default true. */
  readonly showsMessages?: boolean;
  /** Whether the models' reasoning is shown in full. Default: its length only. */
  readonly showsThinking?: boolean;
  /** Called before text is written, so that it does not go on behind a prompt. */
  readonly leavePrompt?: () => void;
}

/** Turns events into text, and remembers whether the cursor is behind an unfinished line. */
export class ProgressText {
  /** The shown text of the latest model call. */
  latestText = '';
  /** The call that wrote it. */
  #latest: string | undefined;
  readonly #output: Output;
  readonly #sessionId: string | undefined;
  readonly #showsMessages: boolean;
  readonly #showsThinking: boolean;
  readonly #leavePrompt: () => void;
  readonly #thoughts = new Map<string, WordCount>();
  /** How far the reasoning of each call was shown, in UTF-16 units. */
  readonly #thoughtEnds = new Map<string, number>();
  #writing: string | undefined;
  /** Whether the turn has text already. */
  #hasText = false;
  #isInLine = false;
  #isThinkingShown = false;

  constructor({
    output = out,
    sessionId,
    showsMessages = true,
    showsThinking = false,
    leavePrompt = () => undefined,
  }: ProgressTextOptions = {}) {
    this.#output = output;
    this.#sessionId = sessionId;
    this.#showsMessages = showsMessages;
    this.#showsThinking = showsThinking;
    this.#leavePrompt = leavePrompt;
  }

  show(event: FollowEvent): void {
    if (event.type === 'reasoning') return this.#think(event);
    if (event.type === 'turn-started') this.#hasText = false;
    if ('activityId' in event) this.#endThinking(event.activityId);
    if (event.type === 'token') {
      this.latestText = (this.#latest === event.activityId ? this.latestText : '') + event.text;
      this.#latest = event.activityId;
      this.#hasText = true;
      return this.#write(event.activityId, event.text);
    }
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
  line(style: Style | undefined, text: string): void {
    this.endLine();
    this.#output.line(style === undefined ? text : paint(style, text));
  }

  endLine(): void {
    this.#leavePrompt();
    if (this.#isThinkingShown) this.#output.clearLine();
    this.#isThinkingShown = false;
    if (this.#isInLine) this.#output.write('\n');
    this.#isInLine = false;
  }

  #write(writer: string, text: string, style?: Style): void {
    if (this.#writing !== writer || this.#isThinkingShown) {
      this.endLine();
      this.#writing = writer;
    }
    this.#leavePrompt();
    this.#output.writePiece(text, style);
    this.#isInLine = !text.endsWith('\n');
  }

  /** Counts the words, in a line of its own that stays the last one on a terminal. */
  #think({ activityId, offset, text }: ReasoningEvent): void {
    if (this.#showsThinking) {
      // Of a call that has ended, only the end of its reasoning is kept.
      const isGap = offset > (this.#thoughtEnds.get(activityId) ?? 0);
      this.#thoughtEnds.set(activityId, offset + text.length);
      return this.#write(`thinking of ${activityId}`, isGap ? `[…]${text}` : text, 'dim');
    }
    const count = addWords(this.#thoughts.get(activityId), text);
    this.#thoughts.set(activityId, count);
    if (!this.#output.isTerminal || this.#isInLine) return;
    this.endLine();
    this.#output.write(paint('dim', thinkingLine(count)));
    this.#isThinkingShown = true;
  }

  #endThinking(activityId: string): void {
    const count = this.#thoughts.get(activityId);
    this.#thoughts.delete(activityId);
    this.#thoughtEnds.delete(activityId);
    if (count) this.line('dim', thinkingLine(count));
  }

  #describe(
    event: Exclude<FollowEvent, { type: 'token' | 'reasoning' | 'reset' | 'retry' }>,
  ): Parameters<typeof this.line> | undefined {
    switch (event.type) {
      case 'turn-started':
        return this.#showsMessages ? ['bold', `Turn ${event.number}: ${shorten(event.text, MAX_TASK)}`] : undefined;
      case 'routed':
        // The agent that answers is its own router, and what was read already needs no announcement.
        if (event.route === 'one-shot' && this.#hasText) return undefined;
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
        return ['dim', `  ⚙ ${visibleWithBlanks(event.summary)}`];
      case 'tool-progress':
        return ['dim', `    ${progressLine(event)}`];
      case 'tool-ended':
        return event.status === 'ok'
          ? undefined
          : ['yellow', `  ✗ ${event.status === 'unknown' ? 'its outcome is unknown' : 'it failed'}`];
      case 'turn-ended':
        return event.status === 'completed' ? undefined : ['yellow', `Turn ${event.number} ${event.status}`];
      case 'session':
        return ['yellow', `Session ${event.status}${event.reason === undefined ? '' : `: ${event.reason}`}`];
      case 'request':
        return ['yellow', requestLine(event.request, this.#sessionId)];
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

/** Words of a text that comes in pieces. */
interface WordCount {
  readonly words: number;
  /** Whether the text so far ends within a word. */
  readonly isInWord: boolean;
}

function addWords({ words, isInWord }: WordCount = { words: 0, isInWord: false }, text: string): WordCount {
  const more = text.match(/\S+/g)?.length ?? 0;
  const continued = isInWord && /^\S/.test(text) ? 1 : 0;
  return { words: words + more - continued, isInWord: /\S$/.test(text) };
}

function thinkingLine({ words }: WordCount): string {
  return `thinking… (${words} word${words === 1 ? '' : 's'})`;
}

function progressLine({ tool, text, done, total }: Extract<FollowEvent, { type: 'tool-progress' }>): string {
  const count = done === undefined ? '' : ` (${done}${total === undefined ? '' : ` of ${total}`})`;
  return `${tool}: ${text}${count}`;
}

/** In the words of `copilot show`. */
function retryLine({ attempt, error, nextAttemptAt }: Extract<FollowEvent, { type: 'retry' }>): string {
  return `↻ attempt ${attempt} ${nextAttemptAt === null ? 'follows' : `comes at ${nextAttemptAt}`}. ${error.type}: ${error.message}`;
}
