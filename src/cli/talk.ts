import type { Command } from 'commander';
import { count, type Run, withExamples } from './define.ts';

/** Speaking with agents, and ending them. */
export function defineTalk(program: Command, run: Run): void {
  withExamples(
    program
      .command('send')
      .description('text to the living agent of a ticket; exit 75 while it is busy')
      .argument('<ticket>')
      .argument('[text...]', 'else, or with -, read from stdin')
      .action((id, words) => run(async (c) => (await import('../commands/send.ts')).send(c, id, words))),
    ['mc-pickup send MC-1 "Please add a test as well."', 'to an agent whose turn is over'],
  );
  withExamples(
    program
      .command('answer')
      .description('answer what an agent asked: a text, or its permission dialog')
      .argument('<ticket>')
      .argument('[text...]', 'else, or with -, stdin')
      .option('--allow', 'allow, once, what the open permission dialog asks for')
      .option('--deny', 'deny it')
      .action((id, words, o) =>
        run(async (c) => (await import('../commands/answer.ts')).answer(c, id, words, o)),
      ),
    ['mc-pickup answer MC-1 "Blue, please."', 'kept for the next attempt if the agent is gone'],
    ['mc-pickup answer MC-1 --allow', 'its open permission dialog, once'],
  );
  withExamples(
    program
      .command('stop')
      .description('end the agent of a ticket; the ticket then waits for you')
      .argument('<ticket>')
      .option('--grace <seconds>', 'between asking and forcing', count, 5)
      .option('--release', 'signal nothing: you vouch that an agent which cannot be judged from here is gone')
      .option('--leftovers', 'end what its runs that have ended left behind, and no agent')
      .action((id, o) => run(async (c) => (await import('../commands/stop.ts')).stop(c, id, o))),
    ['mc-pickup stop MC-1', 'its branch and worktree stay as they are'],
    ['mc-pickup stop MC-1 --release', 'of a host that is no more'],
    ['mc-pickup stop MC-1 --leftovers', 'a dev server that its agent had started, for one'],
  );
  const agents = withExamples(
    program
      .command('agents')
      .description('the profiles: program, readiness, limits, use of today')
      .action(() => run(async (c) => (await import('../commands/agents.ts')).agents(c))),
    ['mc-pickup agents', 'who can be launched, and why not'],
  );
  withExamples(
    agents
      .command('ready')
      .description('you have set the client up: launch this profile again')
      .argument('<name>')
      .action((name) => run(async (c) => (await import('../commands/agents.ts')).agentReady(c, name))),
    ['mc-pickup agents ready claude', 'after its login'],
  );
}
