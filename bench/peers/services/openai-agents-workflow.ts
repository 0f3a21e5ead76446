/** A conversation with an agent of OpenAI's SDK. It follows the package's README: sessions and continue-as-new. */
import { Agent, type AgentInputItem } from '@openai/agents-core';
import { TemporalOpenAIRunner, WorkflowSafeMemorySession } from '@temporalio/openai-agents/workflow';
import {
  allHandlersFinished,
  condition,
  continueAsNew,
  defineUpdate,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';

const send = defineUpdate<string, [string]>('send');

export async function agentConversation(initialItems: AgentInputItem[] = []): Promise<void> {
  const agent = new Agent({ name: 'Answerer', instructions: 'Answer.', model: 'bench' });
  const runner = new TemporalOpenAIRunner();
  const session = new WorkflowSafeMemorySession({ initialItems });
  let isBusy = false;
  setHandler(send, async (text) => {
    await condition(() => !isBusy);
    isBusy = true;
    try {
      const { finalOutput } = await runner.run(agent, text, { session });
      return finalOutput ?? '';
    } finally {
      isBusy = false;
    }
  });
  await condition(() => workflowInfo().continueAsNewSuggested);
  await condition(allHandlersFinished);
  await continueAsNew<typeof agentConversation>(await session.getItems());
}
