/** What the compiler does not ask for when there is a new kind of agent: the contract, the login and the document know each of them. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loginNames } from '../../src/agents/login.ts';
import { AgentKind } from '../../src/board/http/contract.ts';
import { AGENT_KINDS } from '../../src/model/policy.ts';

const DOCUMENT = readFileSync(resolve(import.meta.dirname, '../../docs/agents.md'), 'utf8');
const clients = AGENT_KINDS.filter((kind) => kind !== 'command');

describe('the kinds of agents', () => {
  it('are those of the contract', () => {
    expect([...AgentKind.options].sort()).toEqual([...AGENT_KINDS].sort());
  });

  it.each(clients)('%s has a login, and a column in docs/agents.md', (kind) => {
    expect(loginNames(kind).length).toBeGreaterThan(0);
    expect(DOCUMENT).toMatch(new RegExp(`^\\|.* ${kind} +\\|`, 'm'));
  });
});
