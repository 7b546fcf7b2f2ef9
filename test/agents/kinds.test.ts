/** What the compiler does not ask for when there is a new kind of agent: the contract, the login and the document know each of them. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { loginNames } from '../../src/agents/login.ts';
import { AGENT_KINDS } from '../../src/model/policy.ts';

const text = (name: string) => readFileSync(resolve(import.meta.dirname, '../../docs', name), 'utf8');
const DOCUMENT = text('agents.md');
const { schemas } = parse(text('mission-control.openapi.yaml')).components;
const clients = AGENT_KINDS.filter((kind) => kind !== 'command');

describe('the kinds of agents', () => {
  it('are those of the contract', () => {
    expect([...schemas.AgentKind.enum].sort()).toEqual([...AGENT_KINDS].sort());
    expect([...schemas.Runtime.properties.kind.enum].sort()).toEqual(['', ...AGENT_KINDS].sort());
  });

  it.each(clients)('%s has a login, and a column in docs/agents.md', (kind) => {
    expect(loginNames(kind).length).toBeGreaterThan(0);
    expect(DOCUMENT).toMatch(new RegExp(`^\\|.* ${kind} +\\|`, 'm'));
  });
});
