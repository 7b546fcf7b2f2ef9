import type { AccountView } from '../../model/world.ts';
import type { By, Cas } from './by.ts';

export interface LimitRequest {
  /** Of the profile. */
  readonly name: string;
  readonly until_ms: number;
  readonly reason: string;
}

export interface ReadyRequest {
  /** Of the profile. */
  readonly name: string;
  /** What a person has to do; null = it is ready again. */
  readonly fix: string | null;
  /** Tells the program that was found so from a newer one. */
  readonly stamp: string | null;
}

/** What profiles may do. */
export interface Accounts {
  /** No launches of this profile before that time; a later one that is known already stands. `lost` = nothing new. */
  limitAccount(request: LimitRequest, by: By): Promise<Cas>;
  /** No launches of this profile before a person has done what `fix` says. `lost` = nothing new. */
  setReady(request: ReadyRequest, by: By): Promise<Cas>;
  accounts(): Promise<AccountView[]>;
}
