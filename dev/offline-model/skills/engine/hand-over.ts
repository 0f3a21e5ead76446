/** Hands work over to another agent, which does it: `hand over to the writer: write "a" to a.txt`. */
import { HANDOFF_PREFIX } from '../../../../src/contracts/activities.ts';
import { actionsOf } from '../../actions.ts';
import { HANDOVER } from '../../phrases/split.ts';
import { CannotDo, use, type Desk, type Finding, type Work } from '../skill.ts';
import type { Investigate } from '../writing.ts';

/** To whom a phrase hands over, and what is left for them to do. */
export function handoverIn(phrase: string): { to: string; rest: string } {
  const [match] = phrase.matchAll(HANDOVER);
  return { to: match?.[1]?.toLowerCase() ?? '', rest: phrase.slice(match?.[0].length) };
}

/** What comes after the call is said by the other agent: every request runs this anew. */
export function* handOver(phrase: string, desk: Desk, act: Investigate): Work<Finding[]> {
  const { to, rest } = handoverIn(phrase);
  const result = yield* use(HANDOFF_PREFIX + to, { reason: rest }, `I hand this over to the ${to}.`);
  if (result.failed) throw new CannotDo(result.text);
  const findings: Finding[] = [];
  for (const action of actionsOf(rest)) {
    findings.push(...(yield* act(action, { ...desk, findings: [...desk.findings, ...findings] })));
  }
  return findings;
}
