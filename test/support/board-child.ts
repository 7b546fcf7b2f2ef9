/** A child process of the board's tests: `claim <board> <name>` or `lock <file>`. */
import { openBoard } from '../../src/board/sqlite/index.ts';
import { tryTickLock } from '../../src/machine/lock.ts';

const [what, path = '', name = ''] = process.argv.slice(2);

if (what === 'lock') {
  process.stdout.write(tryTickLock(path) === null ? 'no\n' : 'yes\n');
  setInterval(() => {}, 1000);
} else {
  const board = openBoard(path);
  const won: string[] = [];
  for (const { id, status, owner, claim_epoch, version } of await board.tickets({
    status: ['todo'],
    limit: 999,
  })) {
    const guard = { status, owner, claim_epoch, version };
    const request = {
      ticket: id,
      guard,
      run: `${name}-${id}`,
      agent: 'a',
      project: 'p',
      attempt: 1,
      host_id: 'h',
      boot_id: null,
      kind: 'command' as const,
      headless: false,
    };
    if ((await board.claim(request, { actor: name, now_ms: 1 })) === 'won') won.push(id);
  }
  await board.close();
  process.stdout.write(JSON.stringify(won));
}
