import { describe, expect, it } from 'vitest';
import {
  judge,
  type ObserverIdentity,
  type ProcessIdentity,
  type ProcessLook,
} from '../../src/model/identity.ts';

const recorded: ProcessIdentity = {
  host_id: 'h',
  boot_id: 'b',
  pid_ns: 'pid:[1]',
  time_ns: 'time:[1]',
  pid: 42,
  pid_start: '777',
};
const me: ObserverIdentity = {
  host_id: 'h',
  boot_id: 'b',
  pid_ns: 'pid:[1]',
  time_ns: 'time:[1]',
  self_readable: true,
};
const present: ProcessLook = { kind: 'present', state: 'S', start: '777', ppid: 1 };
const gone: ProcessLook = { kind: 'gone' };
const unreadable: ProcessLook = { kind: 'unreadable', error: 'EACCES' };

describe('judge', () => {
  it.each<[string, Partial<ObserverIdentity>, ProcessLook, string, string]>([
    [
      'another host before anything else',
      { host_id: 'x', boot_id: null, pid_ns: null, time_ns: null },
      gone,
      'not_mine',
      'other_host',
    ],
    [
      'an unreadable boot id before the look',
      { boot_id: null, pid_ns: null, time_ns: null },
      gone,
      'unknown',
      'boot_unreadable',
    ],
    [
      'a reboot before the namespace',
      { boot_id: 'c', pid_ns: 'pid:[2]', time_ns: null },
      present,
      'dead',
      'rebooted',
    ],
    [
      'another namespace before a gone process',
      { pid_ns: 'pid:[2]', time_ns: null },
      gone,
      'unknown',
      'other_namespace',
    ],
    ['an unreadable own namespace', { pid_ns: null, time_ns: null }, gone, 'unknown', 'other_namespace'],
    [
      'another time namespace before a gone process',
      { time_ns: 'time:[2]' },
      gone,
      'unknown',
      'other_time_namespace',
    ],
    ['an unreadable own time namespace', { time_ns: null }, present, 'unknown', 'other_time_namespace'],
    ['a reboot before the time namespace', { boot_id: 'c', time_ns: null }, present, 'dead', 'rebooted'],
    ['a gone process', {}, gone, 'dead', 'process_gone'],
    [
      'a gone process where we cannot even see ourselves',
      { self_readable: false },
      gone,
      'unknown',
      'proc_unreadable',
    ],
    [
      'a process of another start where we cannot even see ourselves',
      { self_readable: false },
      { ...present, start: '778' },
      'unknown',
      'proc_unreadable',
    ],
    ['an unreadable process', {}, unreadable, 'unknown', 'proc_unreadable'],
    ['a pid with another start', {}, { ...present, start: '778' }, 'dead', 'pid_reused'],
    ['another process that is a zombie', {}, { ...present, start: '778', state: 'Z' }, 'dead', 'pid_reused'],
    ['a zombie', {}, { ...present, state: 'Z' }, 'dead', 'zombie'],
    ['a process that is being removed', {}, { ...present, state: 'X' }, 'dead', 'zombie'],
    ['a stopped process', {}, { ...present, state: 'T' }, 'alive', 'process_alive'],
    ['a process in uninterruptible sleep', {}, { ...present, state: 'D' }, 'alive', 'process_alive'],
    ['the very process', {}, present, 'alive', 'process_alive'],
  ])('judges %s', (_name, over, look, verdict, because) => {
    expect(judge(recorded, { ...me, ...over }, look)).toEqual({ verdict, because });
  });

  it('does not compare a time namespace that was not noted', () => {
    expect(judge({ ...recorded, time_ns: null }, me, present).verdict).toBe('alive');
    expect(judge({ ...recorded, time_ns: null }, me, { ...present, start: '1' }).because).toBe('pid_reused');
  });

  it('judges where the system has no namespaces', () => {
    expect(
      judge({ ...recorded, pid_ns: null, time_ns: null }, { ...me, pid_ns: null, time_ns: null }, present)
        .verdict,
    ).toBe('alive');
  });
});
