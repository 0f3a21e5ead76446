/** `copilot doctor`: one line for each check. */
import type { Check } from '../../doctor/diagnose.ts';
import type { CommonFlags } from '../connected.ts';
import { paint, remark, say, sayJson, type Style } from '../terminal.ts';

const MARKS = {
  ok: ['✓', 'green'],
  warning: ['!', 'yellow'],
  missing: ['✗', 'red'],
} as const satisfies Record<Check['status'], readonly [string, Style]>;

/** Sets exit code 1 if anything is missing. Warnings do not count. */
export async function runDoctor({ json }: CommonFlags): Promise<void> {
  const { diagnose } = await import('../../doctor/diagnose.ts');
  const checks = await diagnose();
  if (json) sayJson(checks);
  else sayChecks(checks);
  if (checks.some(({ status }) => status === 'missing')) process.exitCode = 1;
}

function sayChecks(checks: readonly Check[]): void {
  const width = Math.max(...checks.map(({ check }) => check.length));
  for (const { check, status, detail, hint } of checks) {
    const [mark, style] = MARKS[status];
    say(`${paint(style, `${mark} ${status.padEnd('warning'.length)}`)}  ${check.padEnd(width)}  ${oneLine(detail)}`);
    if (hint !== null) say(`${' '.repeat('! warning  '.length)}${paint('cyan', `→ ${oneLine(hint)}`)}`);
  }
  const count = (wanted: Check['status']): number => checks.filter(({ status }) => status === wanted).length;
  remark(`${count('ok')} ok, ${count('warning')} to look at, ${count('missing')} missing`);
}

const oneLine = (text: string): string => text.replaceAll(/\s*\n\s*/g, ' ');
