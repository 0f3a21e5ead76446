/** The session as Markdown, live in the Web UI without opening an event. */
import type { SessionInfo, Turn } from '../../contracts/session.ts';
import type { Step } from '../../contracts/turn.ts';

const MARK: Record<Step['status'], string> = {
  pending: '- [ ]',
  'in-progress': '- [ ] ▶',
  completed: '- [x]',
  failed: '- [ ] ✗',
  skipped: '- [ ] ⤼',
};

const MAX_LINE = 160;

export function detailsMarkdown(info: SessionInfo, turn: Turn | undefined): string {
  const { usage } = info;
  const lines = [
    `**${escape(info.name)}** · ${info.status}${info.suspendReason ? ` (${escape(info.suspendReason)})` : ''} · ${info.phase}`,
    '',
    `${info.turns} turns · ${info.queueLength} waiting · ${usage.modelCalls} model calls · ${usage.toolCalls} tool calls · ${usage.inputTokens + usage.outputTokens} tokens${info.cost === null ? '' : ` · $${info.cost.toFixed(4)}`}`,
  ];
  if (turn) lines.push('', `### Turn ${turn.number} · ${turn.status}`, escape(oneLine(turn.text)));
  if (turn && turn.steps.length > 0) {
    lines.push(
      '',
      ...turn.steps.map(
        (step) => `${MARK[step.status]} ${step.number}. ${escape(oneLine(step.task))} _(${step.agent})_`,
      ),
    );
  }
  if (info.pendingApprovals.length > 0) {
    lines.push(
      '',
      '### Waiting for a person',
      ...info.pendingApprovals.map(
        ({ id, kind, question, options, expiresAt, onExpiry }) =>
          `- **${id}** (${kind}) ${escape(oneLine(question))} — ${options.join(' / ')}, until ${expiresAt}; then ${onExpiry.words}`,
      ),
    );
  }
  if (turn?.error) lines.push('', `**${turn.error.type}**: ${escape(oneLine(turn.error.message))}`);
  if (info.notes.length > 0) lines.push('', ...info.notes.slice(-3).map((note) => `> ${escape(oneLine(note.text))}`));
  return lines.join('\n');
}

/** First line of a text, shortened to what fits in a list. */
export function oneLine(text: string, max = MAX_LINE): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length <= max ? line : `${line.slice(0, max - 1)}…`;
}

/** What people write must not become markup in the Web UI. */
function escape(text: string): string {
  return text.replace(/[\\`*_[\]<>#|]/g, '\\$&');
}
