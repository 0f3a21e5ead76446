/** For whoever is not signed in: a key becomes a cookie that scripts cannot read. */
import { useState } from 'preact/hooks';
import { signIn } from '../api/api.ts';
import { useAction } from '../state/use-action.ts';
import { Problem } from '../text/states.tsx';

export function SignIn({ onSignedIn }: { readonly onSignedIn: () => void }) {
  const [key, setKey] = useState('');
  const { run, isRunning, error } = useAction(onSignedIn);
  return (
    <main class="sign-in">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          run(() => signIn(key.trim()));
        }}
      >
        <h1>Sign in</h1>
        <label for="key">Key or token</label>
        <input
          id="key"
          type="password"
          autocomplete="current-password"
          value={key}
          onInput={(event) => setKey(event.currentTarget.value)}
          required
        />
        <button class="primary" disabled={isRunning || key.trim() === ''}>
          Sign in
        </button>
        <Problem error={error} />
        <p class="hint">
          On your own machine, open the link that <code>copilot dev</code> printed. It works once; the terminal shows
          the next one. Elsewhere, ask whoever runs the gateway for a key: <code>copilot keys add &lt;name&gt;</code>.
        </p>
      </form>
    </main>
  );
}
