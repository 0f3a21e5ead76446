/** A request that waits: everything that will happen, and the decisions. Nothing can be approved that is not shown whole. */
import { useEffect, useState } from 'preact/hooks';
import type { PendingRequest, PlanEdit } from '../../client.ts';
import { editPlan, readRequest } from '../api/api.ts';
import type { ApiError } from '../api/http.ts';
import { useAction } from '../state/use-action.ts';
import { asApiError } from '../state/use-session.ts';
import { Loading, Problem } from '../text/states.tsx';
import { Exact, Sentence } from '../text/visible.tsx';
import { KIND_WORDS, localTime, relativeTime } from '../text/words.ts';
import { Decisions } from './decisions.tsx';
import { Subject } from './subject.tsx';

const SHORT_DIGEST = 12;

export interface RequestCardProps {
  readonly sessionId: string;
  readonly request: PendingRequest;
  /** Whether the caller may change the steps of a plan. */
  readonly mayEdit: boolean;
  readonly onDecided: () => void;
}

export function RequestCard({ sessionId, request, mayEdit, onDecided }: RequestCardProps) {
  const { whole, error } = useWhole(sessionId, request);
  const { id, kind, agent, step, expiresAt, onExpiry, digest } = whole ?? request;
  const editing = useAction(onDecided);
  const edit = (one: PlanEdit): void => editing.run(() => editPlan(sessionId, [one]));
  const title = `request-${sessionId}-${id}`;
  return (
    <section class="request" aria-labelledby={title}>
      <header>
        <span class="request-kind">{KIND_WORDS[kind]}</span>
        <span class="request-facts">
          {step === null ? null : `step ${step} · `}
          {agent === null ? null : <Exact text={agent} />}
        </span>
      </header>
      <h3 id={title}>
        <Exact text={questionOf(request)} />
      </h3>
      {whole === undefined && error === undefined ? <Loading rows={3} /> : null}
      <Problem error={error} />
      {whole === undefined ? null : (
        <>
          <Subject request={whole} edit={mayEdit && kind === 'plan' ? edit : undefined} />
          <Problem error={editing.error} />
          <Decisions sessionId={sessionId} request={whole} onDecided={onDecided} />
        </>
      )}
      <footer>
        <span title={localTime(expiresAt)}>
          Expires {relativeTime(expiresAt)}; then <Sentence text={onExpiry.words} />
        </span>
        <span title={`A decision counts only for exactly this: sha-256 ${digest}`}>
          {id} · <code>{digest.slice(0, SHORT_DIGEST)}</code>
        </span>
      </footer>
    </section>
  );
}

/** The engine's question names a part of a command; the whole command stands below. */
function questionOf({ kind, question, agent, tool }: PendingRequest): string {
  return kind === 'tool' && tool ? `May ${agent ?? 'the agent'} call ${tool.name}?` : question;
}

/** The request with all of its arguments: a session's own report may cut them. */
function useWhole(
  sessionId: string,
  request: PendingRequest,
): { readonly whole: PendingRequest | undefined; readonly error: ApiError | undefined } {
  const [read, setRead] = useState<PendingRequest>();
  const [error, setError] = useState<ApiError>();
  const { id, digest, isCut } = request;
  useEffect(() => {
    if (!isCut) return undefined;
    let isGone = false;
    readRequest(sessionId, id).then(
      (all) => isGone || setRead(all),
      (problem: unknown) => isGone || setError(asApiError(problem)),
    );
    return () => void (isGone = true);
  }, [sessionId, id, digest, isCut]);
  if (!isCut) return { whole: request, error: undefined };
  return { whole: read?.digest === digest && !read.isCut ? read : undefined, error };
}
