/** Beside the conversation: what the session costs, its context, and what is known of it. */
import { useState } from 'preact/hooks';
import type { SessionReport } from '../../client.ts';
import { Visible } from '../text/visible.tsx';
import { localTime } from '../text/words.ts';
import { ContextPanel } from './context-panel.tsx';
import { UsagePanel } from './usage-panel.tsx';

const TABS = ['Usage', 'Context', 'About'] as const;
type Tab = (typeof TABS)[number];

export interface DetailsProps {
  readonly report: SessionReport;
  readonly mayWrite: boolean;
  readonly onClose: () => void;
}

export function Details({ report, mayWrite, onClose }: DetailsProps) {
  const [tab, setTab] = useState<Tab>('Usage');
  return (
    <aside
      class="details"
      aria-label="Details"
      onKeyDown={(event) => {
        if (event.key === 'Escape') onClose();
      }}
    >
      <div class="tabs" role="tablist" aria-label="Details">
        {TABS.map((one) => (
          <button
            key={one}
            id={`tab-${one}`}
            role="tab"
            aria-selected={one === tab}
            aria-controls="tab-panel"
            tabIndex={one === tab ? 0 : -1}
            onClick={() => setTab(one)}
            onKeyDown={(event) => {
              const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
              if (move === undefined) return;
              const next = TABS[(TABS.indexOf(tab) + move + TABS.length) % TABS.length] ?? tab;
              setTab(next);
              document.getElementById(`tab-${next}`)?.focus();
            }}
          >
            {one}
          </button>
        ))}
        <button class="plain close" aria-label="Close details" onClick={onClose}>
          ✕
        </button>
      </div>
      <div id="tab-panel" role="tabpanel" aria-labelledby={`tab-${tab}`} tabIndex={0}>
        {tab === 'Usage' ? <UsagePanel report={report} /> : null}
        {tab === 'Context' ? <ContextPanel report={report} mayWrite={mayWrite} /> : null}
        {tab === 'About' ? <About report={report} /> : null}
      </div>
    </aside>
  );
}

function About({ report }: { readonly report: SessionReport }) {
  const { id, user, mode, team, digest, createdAt, lastActiveAt, expiresAt, suspendReason, notes, runs, lastWorker } =
    report;
  const facts: readonly (readonly [string, string | null])[] = [
    ['Id', id],
    ['Owner', user],
    ['Mode', mode],
    ['Team', `${team} (${digest.slice(0, 12)})`],
    ['Created', localTime(createdAt)],
    ['Last active', localTime(lastActiveAt)],
    ['Expires', expiresAt === null ? null : localTime(expiresAt)],
    ['Suspended because', suspendReason],
    ['Runs', String(runs)],
    ['Last worker', lastWorker?.identity ?? null],
  ];
  return (
    <>
      <dl class="facts">
        {facts.map(([name, value]) =>
          value === null ? null : (
            <div key={name}>
              <dt>{name}</dt>
              <dd>
                <Visible text={value} />
              </dd>
            </div>
          ),
        )}
      </dl>
      {notes.length === 0 ? null : (
        <>
          <h3>Notes</h3>
          <ul class="notes">
            {notes.map(({ at, text }, index) => (
              <li key={index}>
                <time dateTime={at}>{localTime(at)}</time> <Visible text={text} />
              </li>
            ))}
          </ul>
        </>
      )}
    </>
  );
}
