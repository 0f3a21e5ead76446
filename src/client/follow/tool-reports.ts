/** Which reports of running tools a follower was given. */
import { z } from 'zod';
import type { ToolHeartbeat, ToolProgress } from '../../contracts/progress.ts';
import { turnOf } from './call-retries.ts';

/** How far a call of a tool has come, as the tool says. Reports that come fast may be left out. */
export interface ToolProgressEvent extends ToolProgress {
  readonly type: 'tool-progress';
  readonly turnId: string;
  /** Id of the call. */
  readonly activityId: string;
  /** Number of the step, if the call belongs to one. */
  readonly step?: number | undefined;
  readonly tool: string;
}

export const ToolReport: z.ZodType<ToolHeartbeat> = z.object({
  tool: z.string(),
  step: z.number().optional(),
  progress: z.object({ text: z.string(), done: z.number().optional(), total: z.number().optional() }),
});

export class ToolReports {
  readonly #last = new Map<string, string>();

  /** @returns the report as an event, if it is another one than before */
  news(activityId: string, { tool, step, progress }: ToolHeartbeat): ToolProgressEvent[] {
    const report = JSON.stringify(progress);
    if (this.#last.get(activityId) === report) return [];
    this.#last.set(activityId, report);
    const place = { turnId: turnOf(activityId), activityId, ...(step === undefined ? {} : { step }) };
    return [{ type: 'tool-progress', ...place, tool, ...progress }];
  }

  /** Forgets all other calls, because a repeated step has calls with the same ids. */
  keep(activityIds: readonly string[]): void {
    for (const id of this.#last.keys()) if (!activityIds.includes(id)) this.#last.delete(id);
  }
}
