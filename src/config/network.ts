import { homedir } from 'node:os';
import { resolve } from 'node:path';
import * as v from 'valibot';
import { NETWORK } from './schema.ts';

/** What the configuration says of the network becomes part of this process's environment, so that whatever asks another machine (we, git,
 *  agents) does it alike. A variable that is there already stays. What is wrong with the table is told elsewhere. */
export function configureNetwork(table: unknown, dir: string, env: NodeJS.ProcessEnv): void {
  const found = table === undefined ? null : v.safeParse(NETWORK, table);
  if (!found?.success) return;
  const { https_proxy, http_proxy, no_proxy, ca_file } = found.output;
  for (const [name, value] of Object.entries({ https_proxy, http_proxy, no_proxy }))
    if (value !== undefined && !env[name] && !env[name.toUpperCase()]) {
      // Programs differ in which of the two they read.
      env[name] = value;
      env[name.toUpperCase()] = value;
    }
  if (ca_file !== undefined && !env.NODE_EXTRA_CA_CERTS)
    env.NODE_EXTRA_CA_CERTS = resolve(dir, ca_file.replace(/^~(?=\/)/, env.HOME || homedir()));
}
