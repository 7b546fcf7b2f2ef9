import { configError, isDiskFault, messageOf, UserError } from '../model/errors.ts';
import type { Places } from './paths.ts';
import { ensureHostId } from './process.ts';
import { makeStateDir } from './state.ts';

/** This host's id, made where there is none. */
export function ensureHost({ places }: { readonly places: Places }): string {
  try {
    return ensureHostId(places.state);
  } catch (error) {
    makeStateDir(places.state);
    if (error instanceof UserError || isDiskFault(error)) throw error;
    throw configError(`the host id ${places.host} can't be read or made (${messageOf(error)})`);
  }
}
