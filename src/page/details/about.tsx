/** What is known of a session besides its conversation and cost, and who looks at it now. */
import type { AttachedClient, SessionReport } from '../../client.ts';
import { readFollowers } from '../api/api.ts';
import { usePolled } from '../state/use-polled.ts';
import { Visible } from '../text/visible.tsx';
import { localTime } from '../text/words.ts';

const FOLLOWERS_EVERY_MS = 5_000;

export function About({ report }: { readonly report: SessionReport }) {
  const { id, user, mode, team, digest, createdAt, lastActiveAt, expiresAt, suspendReason, notes, runs, lastWorker } =
    report;
  const { value: followers } = usePolled((signal) => readFollowers(id, signal), id, FOLLOWERS_EVERY_MS);
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
    ['Followed by', namesOf(followers)],
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

/** Such as `ada, bob@host by cli, local (2)`: one may have several windows open. */
function namesOf(followers: readonly AttachedClient[] = []): string | null {
  const counts = new Map<string, number>();
  for (const { name, kind } of followers) {
    const who = kind === 'page' ? name : `${name} by ${kind}`;
    counts.set(who, (counts.get(who) ?? 0) + 1);
  }
  if (counts.size === 0) return null;
  return [...counts].map(([name, windows]) => (windows === 1 ? name : `${name} (${windows})`)).join(', ');
}
