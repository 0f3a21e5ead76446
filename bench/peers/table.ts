/** The figures as tables in Markdown. */
import { type Figures, median, quantile } from './scenarios.ts';

type Row = readonly string[];

/** Medians, with the lowest and highest round in brackets. */
export function figureTables(all: readonly (readonly [string, Figures])[]): string {
  const speed: Row[] = all.map(([name, figures]) => {
    const turns = figures.turnMs.flat();
    const [early, late] = figures.longTurns();
    return [
      name,
      spread(figures.turnMs.map(median), median(turns), 1),
      number(quantile(turns, 0.95), 1),
      spread(figures.turnsPerSecond, median(figures.turnsPerSecond), 0),
      `${number(early, 1)} → ${number(late, 1)} (${figures.longTurnMs.length})`,
      number(late / early, 2),
      spread(figures.opensPerSecond, median(figures.opensPerSecond), 0),
    ];
  });
  const use: Row[] = all.map(([name, figures]) => [
    name,
    spread(figures.applicationCpuMs, median(figures.applicationCpuMs), 1),
    spread(figures.serverCpuMs, median(figures.serverCpuMs), 1),
    spread(figures.applicationMemory, median(figures.applicationMemory), 0),
    spread(figures.serverMemory, median(figures.serverMemory), 0),
  ]);
  return [
    table(['', 'turn, ms', '95 %', 'turns a second', 'turn 10 → last, ms', 'ratio', 'opened a second'], speed),
    table(
      [
        '',
        'CPU of the application, ms a turn',
        'CPU of servers, ms a turn',
        'memory of the application, KB a conversation',
        'memory of servers, KB a conversation',
      ],
      use,
    ),
  ].join('\n\n');
}

export function table(head: Row, rows: readonly Row[]): string {
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

function spread(rounds: readonly number[], middle: number, digits: number): string {
  return `${number(middle, digits)} (${number(Math.min(...rounds), digits)} to ${number(Math.max(...rounds), digits)})`;
}

/** Without a sign in front of zero. */
const number = (value: number, digits: number): string => value.toFixed(digits).replace(/^-(0(?:\.0+)?)$/, '$1');
