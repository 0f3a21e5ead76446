/**
 * Names of messages with their types, as `@temporalio/workflow` makes them. That package is workflow code, and clients
 * start sooner without it.
 */
import type { QueryDefinition, SignalDefinition, UpdateDefinition } from '@temporalio/common';

export function defineSignal<Args extends unknown[] = []>(name: string): SignalDefinition<Args> {
  return define({ type: 'signal', name });
}

export function defineQuery<Result, Args extends unknown[] = []>(name: string): QueryDefinition<Result, Args> {
  return define({ type: 'query', name });
}

export function defineUpdate<Result, Args extends unknown[] = []>(name: string): UpdateDefinition<Result, Args> {
  return define({ type: 'update', name });
}

/** The types have fields for the compiler alone. */
function define<Definition extends { readonly type: string; readonly name: string }>(
  definition: Pick<Definition, 'type' | 'name'>,
): Definition {
  return definition as Definition; // nothing else is there at run time
}
