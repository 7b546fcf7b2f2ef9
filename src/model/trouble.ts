/*
 * What an answer of a model's API that is none comes to. Each client tells of it in its own way (an event, its record of the session, what it
 * prints); its adapter makes a `Refusal` of that. Which trouble it is, and what that does to account, profile, ticket and attempts, is said here
 * once, for all clients and both modes. docs/agents.md has it as a table.
 */
import type { ApiHold } from './hold.ts';
import { oneLine } from './text.ts';

/** What a client said of it. */
export interface Refusal {
  /** HTTP; null = none came, or the client does not tell. */
  readonly status: number | null;
  /** The client's or the API's own word for it; '' = none. */
  readonly word: string;
  /** What the client shows to people. */
  readonly says: string;
  /** When it may be tried again, UTC milliseconds; null = not announced. */
  readonly until_ms: number | null;
}

/** `limit`: the account has no more for now. `login`: the API takes this user's login, key or plan for none. `down`: no answer came, or one that blames
 *  the API. `request`: this request is none that it takes. */
export type TroubleKind = 'limit' | 'login' | 'down' | 'request';

export interface Trouble {
  readonly kind: TroubleKind;
  readonly says: string;
  readonly until_ms: number | null;
}

interface Effect {
  /** What the profile is held by until one run has tried it; null = it is the ticket's alone. */
  readonly holds: ApiHold | null;
  /** Its account waits as well, on every host of the board. */
  readonly account: boolean;
  /** Why the run ends, if its client does: none of these is an attempt. null = a person is asked. */
  readonly ends: 'rate_limited' | 'agent_not_ready' | 'api_down' | null;
  /** Why a person is asked about the ticket of a client that lives; null = it goes on by itself once the hold is gone. */
  readonly asks: 'agent_not_ready' | 'request_refused' | null;
}

export const EFFECTS: Readonly<Record<TroubleKind, Effect>> = {
  limit: { holds: 'api_limit', account: true, ends: 'rate_limited', asks: null },
  // A client that lives keeps the login that it was started with: it is a person's to end it, or to log in there.
  login: { holds: 'api_login', account: false, ends: 'agent_not_ready', asks: 'agent_not_ready' },
  down: { holds: 'api_down', account: false, ends: 'api_down', asks: null },
  request: { holds: null, account: false, ends: null, asks: 'request_refused' },
};

/** Stands in a row in place of the end of a refusal that nobody has announced: it is in the past for every clock. */
export const CUT_OFF = 1;

const MOST_SAID = 600;

/** The statuses that say it all. 529: overloaded, by one vendor. */
const BY_STATUS: readonly (readonly [is: (status: number) => boolean, kind: TroubleKind])[] = [
  [(status) => status === 402 || status === 429, 'limit'],
  // 404: the model that the profile names is none of this account's.
  [(status) => status === 401 || status === 403 || status === 404 || status === 407, 'login'],
  [(status) => status === 408 || status >= 500, 'down'],
  [(status) => status === 413 || status === 422, 'request'],
];

const BAD_KEY =
  /api[_ ]?key (is )?(not |in)valid|api key (not found|expired)|invalid[_ ](x-)?api[_ ]key|incorrect api key|API_KEY_INVALID/i;

/** By words, where no status tells. The first that fits. */
const BY_WORDS: readonly (readonly [TroubleKind, RegExp])[] = [
  ['login', BAD_KEY],
  [
    'login',
    /authentication|unauthori[sz]ed|unauthenticated|not logged in|log(ged)? ?in (again|first)|token (has )?expired|account_on_hold|verification_required|billing_error|oauth_org|credential|model_not_found/i,
  ],
  [
    'request',
    /context[_ ](length|window)|(prompt|input|request|message)[\w ]* (is )?too (long|large)|maximum (context|number of tokens)|prompt_too_long|invalid_prompt|flagged|content[_ ](policy|filter)|safety system|prohibited|cyber_policy|was blocked/i,
  ],
  [
    'limit',
    /rate.?limit|usage.?limit|too many requests|quota|RESOURCE_EXHAUSTED|exhausted your (capacity|daily)|insufficient_(quota|funds)|\b429\b/i,
  ],
  [
    'down',
    /overloaded|unavailable|internal server error|server_(error|overloaded)|bad gateway|time-?d? ?out|disconnected|connection|network|socket|fetch failed|ECONN\w+|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|terminated|stream (was |is )?(closed|cut|ended)|unable to connect/i,
  ],
];

/** Which trouble it is; null = none that is known: the turn has ended as others do. */
export function troubleOf({ status, word, says, until_ms }: Refusal): Trouble | null {
  const kind = kindBy(status, `${word} ${says}`);
  return kind === null
    ? null
    : { kind, says: oneLine(says || word || `HTTP ${status}`, MOST_SAID), until_ms };
}

function kindBy(status: number | null, words: string): TroubleKind | null {
  const certain = status === null ? undefined : BY_STATUS.find(([is]) => is(status));
  if (certain !== undefined) return certain[1];
  // What is wrong with a 400 is wrong with the request, unless it is the key.
  if (status !== null && status >= 400) return BAD_KEY.test(words) ? 'login' : 'request';
  return BY_WORDS.find(([, shows]) => shows.test(words))?.[0] ?? null;
}
