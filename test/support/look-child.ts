/** A child process of the identity tests: `<proc root> <pid>`. Prints what one look at the pid shows. */
import { lookAt } from '../../src/machine/process.ts';

const [root = '', pid = ''] = process.argv.slice(2);
process.stdout.write(JSON.stringify(lookAt(Number(pid), { root })));
