/** Beside the conversation: what the session costs, its files, its context, and what is known of it. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { SessionReport } from '../../client.ts';
import { FilesPanel } from '../files/files-panel.tsx';
import { About } from './about.tsx';
import { ContextPanel } from './context-panel.tsx';
import { SettingsPanel } from './settings-panel.tsx';
import { UsagePanel } from './usage-panel.tsx';

const TABS = ['Usage', 'Files', 'Context', 'Settings', 'About'] as const;
type Tab = (typeof TABS)[number];

export interface DetailsProps {
  readonly report: SessionReport;
  /** Whether somebody has opened it; in a wide window it is always there. */
  readonly isOpen: boolean;
  readonly mayWrite: boolean;
  readonly onClose: () => void;
  readonly onChanged: () => void;
}

export function Details({ report, isOpen, mayWrite, onClose, onChanged }: DetailsProps) {
  const [tab, setTab] = useState<Tab>('Usage');
  const panel = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (isOpen) panel.current?.focus();
  }, [isOpen]);
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
      <div id="tab-panel" ref={panel} role="tabpanel" aria-labelledby={`tab-${tab}`} tabIndex={0}>
        {tab === 'Usage' ? <UsagePanel report={report} /> : null}
        {tab === 'Files' ? <FilesPanel report={report} mayWrite={mayWrite} /> : null}
        {tab === 'Context' ? <ContextPanel report={report} mayWrite={mayWrite} /> : null}
        {tab === 'Settings' ? <SettingsPanel report={report} mayWrite={mayWrite} onChanged={onChanged} /> : null}
        {tab === 'About' ? <About report={report} /> : null}
      </div>
    </aside>
  );
}
