import { expect, test } from 'vitest';
import { gitSettingsOf, networkOf, ofThisShell } from '../../src/model/environment.ts';

test('an agent behind a proxy is told how to get out, and never to reach this machine by it', () => {
  const env = {
    HTTPS_PROXY: 'http://u:p@proxy:3128',
    NODE_EXTRA_CA_CERTS: '/ca.pem',
    TOKEN: 'x',
    no_proxy: '',
  };
  const here = 'localhost,127.0.0.1,::1';
  expect(networkOf(env)).toEqual({
    ...{ HTTPS_PROXY: 'http://u:p@proxy:3128', NODE_EXTRA_CA_CERTS: '/ca.pem' },
    ...{ no_proxy: here, NO_PROXY: here },
  });
  expect(networkOf({ http_proxy: 'p:1', NO_PROXY: '.corp, 127.0.0.1' })).toMatchObject({
    http_proxy: 'p:1',
    NO_PROXY: '.corp,127.0.0.1,localhost,::1',
    no_proxy: '.corp,127.0.0.1,localhost,::1',
  });
  expect(networkOf({ all_proxy: 'p:1', no_proxy: '*' })).toMatchObject({ no_proxy: '*', NO_PROXY: '*' });
  // Without a proxy nothing is added.
  expect(networkOf({ NO_PROXY: '.corp', HTTPS_PROXY: '' })).toEqual({ NO_PROXY: '.corp' });
});

test('a scheduler is said to lack what reaches other machines, by name and never by value', () => {
  const env = {
    https_proxy: 'http://u:secret@proxy',
    SSL_CERT_FILE: '/ca',
    SSH_AUTH_SOCK: '/s',
    HOME: '/h',
    GIT_DIR: '/d',
  };
  expect(ofThisShell({ ...env, GIT_SSH_COMMAND: 'ssh -i k', GIT_EDITOR: 'vi', NO_PROXY: '' })).toEqual([
    ...['GIT_SSH_COMMAND', 'SSL_CERT_FILE', 'https_proxy'],
  ]);
});

test('git keeps what a person has set for it, but for what places, prints or asks', () => {
  const stays = [
    'GIT_SSH',
    'GIT_SSL_CAINFO',
    'GIT_SSL_NO_VERIFY',
    'GIT_HTTP_LOW_SPEED_LIMIT',
    'GIT_CONFIG_GLOBAL',
  ];
  const goes = [
    'GIT_DIR',
    'GIT_CONFIG_KEY_0',
    'GIT_TRACE2_EVENT',
    'GIT_ASKPASS',
    'GIT_PAGER',
    'GIT_AUTHOR_NAME',
  ];
  const env = Object.fromEntries([...stays, ...goes, 'TOKEN'].map((name) => [name, '1']));
  expect(Object.keys(gitSettingsOf(env))).toEqual(stays);
});
