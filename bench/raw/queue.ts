/** Task queue of the raw workers. */
export const RAW_QUEUE = 'bench-raw';
