/** In which order test files are run: first those that wait for long, so that the others fill the time; nothing waits for them at the end. */
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** They wait: for the minutes of a real cron, fifty agents, a service manager, bounds of the program. */
const WAITING = [
  'schedule/minutes',
  'example/worked',
  'schedule/systemd',
  'e2e/send',
  'http/e2e',
  'clean/crash',
];

export class WaitingFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId, project }: TestSpecification) => {
      const at = WAITING.findIndex((name) => moduleId.endsWith(`/${name}.test.ts`));
      if (at >= 0) return at;
      // Not mixed: a worker keeps its modules only from one file of a project to the next one.
      return WAITING.length + (project.name === 'unit' ? 1 : 0);
    };
    return (await super.sort(files)).sort((one, other) => place(one) - place(other));
  }
}
