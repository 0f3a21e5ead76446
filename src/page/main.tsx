/** The page: who is signed in, the sessions, and one of them. It uses the gateway's public REST and events only. */
import { render } from 'preact';
import { useCallback, useEffect, useState } from 'preact/hooks';
import type { SessionReport } from '../client.ts';
import type { Principal } from '../gateway/principals/principal.ts';
import { me, signOut } from './api/api.ts';
import type { ApiError } from './api/http.ts';
import { SessionView } from './session/session-view.tsx';
import { NewSessionForm } from './sessions/new-session.tsx';
import { SessionList } from './sessions/session-list.tsx';
import { SignIn } from './sessions/sign-in.tsx';
import { usePlace } from './state/place.ts';
import { asApiError, isPassing } from './state/use-session.ts';
import { Empty, Loading, Problem } from './text/states.tsx';

const RETRY_MS = 2_000;

type Who = { readonly principal: Principal } | { readonly isStranger: true } | { readonly error: ApiError } | undefined;

function useWho(): { readonly who: Who; readonly refresh: () => void } {
  const [who, setWho] = useState<Who>();
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    let timer: number | undefined;
    let isGone = false;
    me().then(
      (principal) => setWho({ principal }),
      (problem: unknown) => {
        if (isGone) return;
        const error = asApiError(problem);
        setWho(error.status === 401 ? { isStranger: true } : { error });
        if (isPassing(error)) timer = window.setTimeout(() => setAttempt((number) => number + 1), RETRY_MS);
      },
    );
    return () => {
      isGone = true;
      window.clearTimeout(timer);
    };
  }, [attempt]);
  return { who, refresh: useCallback(() => setAttempt((number) => number + 1), []) };
}

function Page() {
  const { who, refresh } = useWho();
  const place = usePlace();
  const [live, setLive] = useState<SessionReport>();
  const leave = useCallback(() => void signOut().finally(refresh), [refresh]);
  if (who === undefined) return <Loading rows={3} />;
  if ('error' in who) return <Problem error={who.error} />;
  if ('isStranger' in who) return <SignIn onSignedIn={refresh} />;
  const { session, isNew } = place;
  return (
    <div class={session === undefined && !isNew ? 'shell at-list' : 'shell at-session'}>
      <a
        class="skip"
        href="#main"
        onClick={(event) => (event.preventDefault(), document.getElementById('main')?.focus())}
      >
        Skip to the session
      </a>
      <SessionList principal={who.principal} open={session} live={live} onSignOut={leave} />
      <main id="main" tabIndex={-1}>
        {isNew ? <NewSessionForm /> : null}
        {session === undefined || isNew ? null : (
          <SessionView key={session} id={session} principal={who.principal} onRead={setLive} onStranger={refresh} />
        )}
        {session === undefined && !isNew ? (
          <Empty title="Choose a session">
            <p>
              Or begin one: press <kbd>n</kbd>. To search, press <kbd>/</kbd>.
            </p>
          </Empty>
        ) : null}
      </main>
    </div>
  );
}

const root = document.getElementById('page');
if (root) render(<Page />, root);
