/** Does the actions of a request one after the other, with the tools that are offered. */
import { REMEMBER } from '../../../src/contracts/activities.ts';
import { actionsOf, type Action } from '../actions.ts';
import { usesAnswer, withAnswer } from '../phrases/questions.ts';
import type { Prompt } from '../prompt.ts';
import { calculate } from './calculation.ts';
import { runCode } from './code.ts';
import { ABILITIES, admit, converse, HOW_TO_GET_A_MODEL } from './conversation.ts';
import { listFiles, readFiles, searchFiles } from './files.ts';
import { CannotDo, NotAllowed, type Desk, type Finding, type Work } from './skill.ts';
import { answerFromTables } from './tables/tables.ts';
import { editFile } from './editing.ts';
import { askPerson, lastAnswer } from './engine/ask.ts';
import { failOnRequest } from './engine/failure.ts';
import { handOver } from './engine/hand-over.ts';
import { noteIn, remember } from './engine/remember.ts';
import { runCommand } from './outside/command.ts';
import { fetchPages } from './outside/fetch.ts';
import { callTool } from './outside/tool-call.ts';
import { drawChart } from './plots.ts';
import { writeFile } from './writing.ts';

export interface Outcome {
  readonly findings: readonly Finding[];
  /** Why it stopped before the end. */
  readonly problem?: string;
}

/** @throws WireError where the request asks for that */
export function* perform(prompt: Prompt): Work<Outcome> {
  const findings: Finding[] = [];
  for (const action of actionsOf(prompt.request)) {
    try {
      findings.push(...(yield* act(action, { prompt, findings })));
    } catch (error) {
      if (error instanceof NotAllowed) {
        findings.push({ title: 'Not allowed', sentence: error.message, body: '' });
        continue;
      }
      if (!(error instanceof CannotDo)) throw error;
      return { findings, problem: error.message };
    }
  }
  return { findings };
}

function* act(action: Action, desk: Desk): Work<Finding[]> {
  const answer = usesAnswer(action.text) ? lastAnswer(desk) : undefined;
  if (answer === undefined || action.kind === 'handoff') return yield* actAsSaid(action, desk);
  const findings: Finding[] = [];
  for (const known of actionsOf(withAnswer(action.text, answer))) findings.push(...(yield* actAsSaid(known, desk)));
  return findings;
}

function* actAsSaid(action: Action, desk: Desk): Work<Finding[]> {
  switch (action.kind) {
    case 'list':
      return [yield* listFiles(action)];
    case 'read':
      return [yield* readFiles(action, desk)];
    case 'search':
      return [yield* searchFiles(action)];
    case 'write':
      return yield* writeFile(action, desk, act);
    case 'table':
      return yield* answerFromTables(action, desk);
    case 'plot':
      return yield* drawChart(action, desk);
    case 'calculate':
      return [yield* calculate(action)];
    case 'code':
      return yield* runCode(action, desk);
    case 'call':
      return [yield* callTool(action.text, desk.prompt)];
    case 'edit':
      return [yield* editFile(action)];
    case 'fetch':
      return yield* fetchPages(action);
    case 'shell':
      return [yield* runCommand(action.text)];
    case 'ask':
      return [yield* askPerson(action)];
    case 'remember':
      return [desk.prompt.tools.has(REMEMBER) ? yield* remember(noteIn(action.text) ?? '') : talk(action, desk)];
    case 'handoff':
      return yield* handOver(action.text, desk, act);
    case 'fail':
      return [failOnRequest(action.text, desk.prompt)];
    case 'say':
      return [talk(action, desk)];
  }
}

/** Changes to the world that no rule makes. To call them done would be a lie. */
const BEYOND =
  /^(?:translate|rename|move|delete|remove|send|email|mail|upload|download|install|deploy|build|refactor|implement|commit|push|convert|fix|rewrite)\b/i;

function talk({ text }: Action, { prompt }: Desk): Finding {
  const reply = converse(text, prompt.earlier);
  if (reply !== undefined) return { title: 'Reply', sentence: reply, body: '' };
  if (prompt.phase !== 'step')
    return {
      title: 'Reply',
      sentence: `${admit(text)} ${ABILITIES} For everything else, ${HOW_TO_GET_A_MODEL}`,
      body: '',
    };
  if (BEYOND.test(text)) throw new CannotDo(`${admit(text)} To have it done, ${HOW_TO_GET_A_MODEL}`);
  return { title: 'Reply', sentence: `${admit(text)} For an answer, ${HOW_TO_GET_A_MODEL}`, body: '' };
}
