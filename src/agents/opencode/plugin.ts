/** The plugin of a run, plain JavaScript that OpenCode itself loads. It writes the events by the protocol of
 *  `mc-event` (temp file, then rename), without a process, and never lets an error out.
 *
 *  What it has to straighten out: a sub-agent is a session of its own with its own prompts and its own idle, so
 *  everything is told of the root session, and `Idle` only when nothing below it works any more; OpenCode sets the
 *  same plugin up more than once in one process, so all state belongs to the module; and a status is repeated for
 *  every step of a turn. */
export const PLUGIN = `// Written by mc-pickup for one run.
import { randomBytes } from 'node:crypto';
import { readFileSync, renameSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const dir = process.env.MC_RUN_DIR ?? '';
const started = Date.now();
const parents = new Map();
const busy = new Map();
const waiting = new Map();
const totals = new Map();
const prompted = new Set();
const events = new Set();
let turns = 0;
let last = '';
let handedOver = false;
let stamp = 0;

export const McPickup = async ({ client, serverUrl }) => {
  put('opencode-server.json', { pid: process.pid, url: String(serverUrl) });
  handOver(client);
  return {
    event: async ({ event }) => quietly(() => once(event) && seen(event.type, event.properties ?? {})),
    'chat.message': async (_input, output) => quietly(() => prompt(client, output.message)),
    // What the agent runs gets no key to the server that answers its permissions, and an OpenCode that it starts
    // tells nothing in this run's name.
    'shell.env': async (_input, output) => quietly(() => {
      for (const name of ['OPENCODE_SERVER_PASSWORD', 'OPENCODE_CONFIG_CONTENT', 'MC_OPENCODE_RESUME', 'MC_OPENCODE_AGENT']) output.env[name] = '';
    }),
  };
};

/** OpenCode drops the prompt of its command line where that also names a session to continue. */
function handOver(client) {
  const id = process.env.MC_OPENCODE_RESUME;
  if (!id || handedOver) return;
  handedOver = true;
  // Out of the set-up, which the server waits for.
  setTimeout(async () => {
    try {
      const text = readFileSync(process.env.MC_PROMPT_FILE, 'utf8');
      // Without it the server takes its default agent, which may do more than the one that was chosen for this session.
      const agent = process.env.MC_OPENCODE_AGENT || (await client.session.get({ path: { id } })).data?.agent;
      const { error } = await client.session.promptAsync({ path: { id }, body: { agent, parts: [{ type: 'text', text }] } });
      if (error) tell('Refused', id, { message: JSON.stringify(error).slice(0, 2000) });
    } catch (error) {
      quietly(() => tell('Refused', id, { message: String(error).slice(0, 2000) }));
    }
  }, 0);
}

function once(event) {
  if (event.id === undefined) return true;
  if (events.has(event.id)) return false;
  events.add(event.id);
  if (events.size > 1000) events.delete(events.values().next().value);
  return true;
}

function prompt(client, message) {
  const id = message?.sessionID;
  if (id === undefined || prompted.has(message.id)) return;
  prompted.add(message.id);
  if (parents.get(id)) return;
  turns += 1;
  tell('Prompt', id, { message: message.id });
  if (!totals.has(id)) void earlier(client, id);
}

/** A session that is continued: what it has used before this run. Never over a newer number. */
async function earlier(client, id) {
  try {
    const { data } = await client.session.get({ path: { id } });
    if (!data || data.time.created >= started) return;
    const children = await client.session.children({ path: { id } });
    for (const one of [data, ...(children.data ?? [])]) if (!totals.has(one.id)) add(one);
    const messages = await client.session.messages({ path: { id } });
    turns += (messages.data ?? []).filter(({ info }) => info.role === 'user' && info.time.created < started).length;
    usage(id);
  } catch {}
}

function seen(type, data) {
  const id = data.sessionID ?? data.info?.id;
  if (type === 'session.created' || type === 'session.updated') return add(data.info), usage(id);
  if (type === 'session.status') return status(id, data.status);
  if (type === 'session.deleted') return busy.delete(id);
  if (type === 'session.error') return tell('Error', id, failure(data.error));
  if (type === 'permission.asked') return ask(id, data.id, 'Permission', permission(data));
  if (type === 'question.asked') return ask(id, data.id, 'Question', { questions: cut(data.questions, 20000) });
  if (/^(permission|question)\\.(replied|rejected)$/.test(type)) return answered(id, data.requestID);
}

function status(id, now) {
  if (now.type === 'idle') busy.delete(id);
  else busy.set(id, now);
  const state = now.type === 'retry' ? now : { type: working(id) ? 'busy' : 'idle' };
  const word = JSON.stringify([root(id), state]);
  // A dialog outlives even an aborted turn, and takes every key while it is there.
  if (waiting.size > 0 || word === last) return;
  last = word;
  tell('Status', id, { status: cut(state, 4000) });
}

function working(id) {
  return [...busy.keys()].some((other) => root(other) === root(id));
}

function ask(id, request, kind, body) {
  last = '';
  waiting.set(request, { id, kind, body });
  tell(kind, id, { request, ...body });
}

function answered(id, request) {
  waiting.delete(request);
  last = '';
  const [next] = waiting;
  if (next === undefined) tell('Answered', id, { request, working: working(id) });
  else tell(next[1].kind, next[1].id, { request: next[0], ...next[1].body });
}

function permission({ permission, patterns, metadata }) {
  return { permission, patterns: cut(patterns, 4000), metadata: cut(short(metadata), 8000) };
}

function short(metadata) {
  const texts = Object.entries(metadata ?? {}).filter(([, value]) => typeof value === 'string');
  return Object.fromEntries(texts.map(([key, value]) => [key, value.slice(0, 2000)]));
}

function failure(error) {
  const { message, statusCode, isRetryable, responseHeaders } = error?.data ?? {};
  const headers = Object.entries(responseHeaders ?? {}).filter(([name]) => /^(retry-after|x-ratelimit-|anthropic-ratelimit-)/i.test(name));
  return { name: error?.name, message: String(message ?? '').slice(0, 2000), status: statusCode, retryable: isRetryable, headers: cut(Object.fromEntries(headers), 4000) };
}

function cut(value, max) {
  return JSON.stringify(value ?? null).length <= max ? value : undefined;
}

function add(info) {
  if (info?.id === undefined) return;
  parents.set(info.id, info.parentID);
  totals.set(info.id, { tokens: info.tokens, cost: info.cost });
}

function root(id) {
  let at = id;
  for (let depth = 0; parents.get(at) && depth < 20; depth += 1) at = parents.get(at);
  return at;
}

/** The totals of the whole session: OpenCode counts each session by itself. */
function usage(id) {
  const top = root(id);
  const sum = { session: top, turns, input: 0, output: 0, reasoning: 0, read: 0, write: 0, cost: 0 };
  for (const [one, { tokens, cost }] of totals) {
    if (root(one) !== top) continue;
    sum.input += tokens?.input ?? 0;
    sum.output += tokens?.output ?? 0;
    sum.reasoning += tokens?.reasoning ?? 0;
    sum.read += tokens?.cache?.read ?? 0;
    sum.write += tokens?.cache?.write ?? 0;
    sum.cost += cost ?? 0;
  }
  put('opencode-usage.json', sum);
}

function tell(kind, id, body) {
  const unique = randomBytes(8).toString('hex');
  const text = JSON.stringify({ session_id: root(id), child: parents.get(id) ? true : undefined, at: Date.now(), ...body });
  // Events are put in order by the time of their files, which the kernel gives in steps of some milliseconds.
  stamp = Math.max(Date.now(), stamp + 1);
  write(join(dir, 'events', '.tmp.' + unique), join(dir, 'events', kind + '.' + unique), text, stamp / 1000);
}

function put(name, value) {
  quietly(() => write(join(dir, '.' + name + '.tmp'), join(dir, name), JSON.stringify(value)));
}

function write(temp, path, text, seconds) {
  if (dir === '') return;
  writeFileSync(temp, text, { mode: 0o600 });
  if (seconds !== undefined) utimesSync(temp, seconds, seconds);
  renameSync(temp, path);
}

function quietly(act) {
  try {
    act();
  } catch {}
}
`;
