/** What a check found, in the form that people and programs get. */

/** `warning`: sessions run, but not all is as it should be or is known. `missing`: something does not work. */
export type CheckStatus = 'ok' | 'warning' | 'missing';

export interface Check {
  /** What was looked at, such as `retention`. */
  readonly check: string;
  readonly status: CheckStatus;
  /** What was found. Never a key. */
  readonly detail: string;
  /** What to do, with the exact command; null where nothing is to be done. */
  readonly hint: string | null;
}

export function ok(check: string, detail: string): Check {
  return { check, status: 'ok', detail, hint: null };
}

export function warning(check: string, detail: string, hint: string): Check {
  return { check, status: 'warning', detail, hint };
}

export function missing(check: string, detail: string, hint: string): Check {
  return { check, status: 'missing', detail, hint };
}
