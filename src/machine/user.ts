import { userInfo } from 'node:os';
import { attempt } from '../model/json.ts';

/** The name of the user whom this process works for; null = one that no file knows, as in a container. */
export function userName(): string | null {
  return attempt(() => userInfo().username);
}
