/** Every recording, by importing the files that define them. */
import './context.ts';
import './control.ts';
import './direct-answers.ts';
import './people.ts';
import './plans.ts';
import './runs.ts';
import './strangers.ts';
import './webhooks.ts';
import './workers.ts';

export { recordings } from '../recorder.ts';
