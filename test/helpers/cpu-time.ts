/** Processor time, which a busy machine does not stretch as it does the time of a clock. */

/** Starts to measure. The function gives the milliseconds that all threads of this process have computed since. */
export function cpuTimer(): () => number {
  const start = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(start);
    return (user + system) / 1_000;
  };
}
