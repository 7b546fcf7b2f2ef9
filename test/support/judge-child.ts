/** A child process of the identity tests: `<identity as JSON>`. Prints what it says, from where it is, of that process. The pid
 *  namespace `mine` is its own. */

import { lookAt, lookAtSelf } from '../../src/machine/process.ts';
import { identityIn, judge } from '../../src/model/identity.ts';

const identity = identityIn(JSON.parse(process.argv[2] ?? '{}') as Record<string, unknown>);
if (identity === null) throw new Error('no identity');
const self = lookAtSelf(identity.host_id);
const recorded = identity.pid_ns === 'mine' ? { ...identity, pid_ns: self.pid_ns } : identity;
process.stdout.write(JSON.stringify(judge(recorded, self, lookAt(identity.pid))));
