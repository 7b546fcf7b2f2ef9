import { userInfo } from 'node:os';

/** The name of the user whom this process works for; null = one that no file knows, as in a container. */
export function userName(): string | null {
  try {
    return userInfo().username;
  } catch {
    return null;
  }
}
