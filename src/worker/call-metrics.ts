/** What the calls of sessions on a worker took, for Prometheus. */
import { Counter, Histogram, Registry } from 'prom-client';
import type { Answered, RunToolResult } from '../contracts/activities.ts';
import { CopilotError } from '../contracts/errors.ts';

/** Calls of models take seconds to minutes, those of tools often milliseconds. */
const SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];

/** The counters of one worker. */
export class CallMetrics {
  readonly registry = new Registry();
  readonly #durations: Histogram<'activity' | 'outcome'>;
  readonly #modelCalls: Counter<'model'>;
  readonly #tokens: Counter<'model' | 'type'>;
  readonly #toolCalls: Counter<'tool' | 'status'>;

  constructor() {
    const registers = [this.registry];
    this.#durations = new Histogram({
      name: 'copilot_activity_duration_seconds',
      help: 'Attempts of activities, by what they ended with: ok, or the type of an error.',
      labelNames: ['activity', 'outcome'],
      buckets: SECONDS,
      registers,
    });
    this.#modelCalls = new Counter({
      name: 'copilot_model_calls_total',
      help: 'Requests to models that were answered.',
      labelNames: ['model'],
      registers,
    });
    this.#tokens = new Counter({
      name: 'copilot_model_tokens_total',
      help: 'Tokens of these: input, cached (a part of the input), and output.',
      labelNames: ['model', 'type'],
      registers,
    });
    this.#toolCalls = new Counter({
      name: 'copilot_tool_calls_total',
      help: 'Calls of tools, by how they ended.',
      labelNames: ['tool', 'status'],
      registers,
    });
  }

  /** Runs an attempt of an activity, and counts it. @param onEnd hears how it ended */
  async measure<T>(
    activity: string,
    work: () => Promise<T>,
    onEnd?: (ended: { readonly outcome: string; readonly ms: number }) => void,
  ): Promise<T> {
    const began = performance.now();
    const end = (outcome: string): void => {
      const ms = Math.round(performance.now() - began);
      this.#durations.observe({ activity, outcome }, ms / 1_000);
      onEnd?.({ outcome, ms });
    };
    try {
      const result = await work();
      end('ok');
      return result;
    } catch (error) {
      end(outcomeOf(error));
      throw error;
    }
  }

  countAnswer({ model, usage }: Answered): void {
    this.#modelCalls.inc({ model }, usage.modelCalls);
    this.#tokens.inc({ model, type: 'input' }, usage.inputTokens);
    this.#tokens.inc({ model, type: 'cached' }, usage.cachedTokens);
    this.#tokens.inc({ model, type: 'output' }, usage.outputTokens);
  }

  countTool(tool: string, { status }: RunToolResult): void {
    this.#toolCalls.inc({ tool, status });
  }
}

function outcomeOf(error: unknown): string {
  if (error instanceof CopilotError) return error.type;
  // A failure on its way to the workflow has the same types.
  if (error instanceof Error && 'type' in error && typeof error.type === 'string') return error.type;
  return error instanceof Error ? error.name : 'Error';
}
