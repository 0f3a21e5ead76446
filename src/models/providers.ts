/** The providers of a worker by name, and the models that agents name. */
import type { Model, Provider } from './model.ts';

/** Models by the names that agents have for them. */
export interface Models {
  /**
   * @param reference `provider/name`, or anything else for the model of that name at the default provider
   */
  model(reference: string): Model;
  close(): Promise<void>;
}

export class Providers implements Models {
  readonly #byName: ReadonlyMap<string, Provider>;
  readonly #first: Provider;

  /**
   * @param first serves models that are named without a provider
   * @param others by the names that agents have for them
   */
  constructor(first: Provider, others: Readonly<Record<string, Provider>> = {}) {
    this.#byName = new Map(Object.entries({ [first.name]: first, ...others }));
    this.#first = first;
  }

  model(reference: string): Model {
    const slash = reference.indexOf('/');
    const named = slash < 0 ? undefined : this.#byName.get(reference.slice(0, slash));
    // Names of models have slashes too: `meta-llama/Llama-4`.
    return named ? named.model(reference.slice(slash + 1)) : this.#first.model(reference);
  }

  async close(): Promise<void> {
    const closings = await Promise.allSettled(
      [...new Set([this.#first, ...this.#byName.values()])].map((provider) => provider.close()),
    );
    const errors = closings.flatMap((closing) => (closing.status === 'rejected' ? [closing.reason as unknown] : []));
    if (errors.length > 0)
      throw new AggregateError(errors, `providers did not close: ${errors.map(String).join('; ')}`);
  }
}
