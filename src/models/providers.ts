/** The providers of a worker by name, and the models that agents name. */
import type { Model, ModelRequest, Provider } from './model.ts';

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
  readonly #onLesson: ModelRequest['onLesson'];

  /**
   * @param first serves models that are named without a provider
   * @param others by the names that agents have for them
   * @param onLesson hears what models refuse
   */
  constructor(
    first: Provider,
    others: Readonly<Record<string, Provider>> = {},
    onLesson?: NonNullable<ModelRequest['onLesson']>,
  ) {
    this.#byName = new Map(Object.entries({ [first.name]: first, ...others }));
    this.#first = first;
    this.#onLesson = onLesson;
  }

  model(reference: string): Model {
    const { provider, name } = this.find(reference);
    const model = provider.model(name);
    const more = this.#onLesson ? { onLesson: this.#onLesson } : {};
    return { id: model.id, reply: (request) => model.reply({ ...more, ...request }) };
  }

  /** The provider that a reference of an agent means, and the name of the model there. */
  find(reference: string): { readonly provider: Provider; readonly name: string } {
    const slash = reference.indexOf('/');
    const provider = slash < 0 ? undefined : this.#byName.get(reference.slice(0, slash));
    // Names of models have slashes too: `meta-llama/Llama-4`.
    return provider ? { provider, name: reference.slice(slash + 1) } : { provider: this.#first, name: reference };
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
