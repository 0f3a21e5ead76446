/** The result of one check, for people and programs. */

/** `warning`: sessions work, but something is not ideal or not known. `missing`: something does not work. */
export type CheckStatus = 'ok' | 'warning' | 'missing';

export interface Check {
  /** Name of the check, such as `retention`. */
  readonly check: string;
  readonly status: CheckStatus;
  /** What was found. It never contains a key. */
  readonly detail: string;
  /** What to do, with the exact command; null if nothing has to be done. */
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
