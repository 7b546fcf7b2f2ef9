/** A trial that is killed: it stands inside its scratch worktree, or inside the checkout of it, and says so. */
import { writeFileSync } from 'node:fs';
import type { Project } from '../../src/model/policy.ts';
import { tryOut } from '../../src/workspace/index.ts';

const [project = '', root = '', there = ''] = process.argv.slice(2);
await tryOut({
  project: JSON.parse(project) as Project,
  root,
  inside: async () => {
    writeFileSync(there, '');
    await new Promise((done) => setTimeout(done, 600_000));
    return null;
  },
});
