import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { textIn } from '../runs/transcript/turn.ts';
import { about, type Finding } from './finding.ts';

/** Whether a fetch over ssh finds a key that opens without a person: an agent, or a key without a passphrase. */
export function sshFinding(project: string, url: string, env: NodeJS.ProcessEnv): Finding[] {
  if (!overSsh(url)) return [];
  const { ok, warn } = about(`fetch ${project}`);
  if (env.SSH_AUTH_SOCK) return [ok('over ssh, with the ssh-agent of this environment')];
  if (env.GIT_SSH_COMMAND || env.GIT_SSH) return [ok('over ssh, by a command of your own')];
  const folder = join(env.HOME ?? '', '.ssh');
  const key = keysIn(folder).find((file) => openKey(file));
  if (key !== undefined) return [ok(`over ssh, with ${key}, which needs no passphrase`)];
  return [
    warn(
      `over ssh, and there is neither SSH_AUTH_SOCK nor a key without a passphrase in ${folder}: a fetch fails, and work begins at an old base`,
      `give the repository a deploy key, an https remote, or set project.${project}.fetch = false and fetch yourself`,
    ),
  ];
}

/** `ssh://...`, `git+ssh://...` or `user@host:path`. */
export function overSsh(url: string): boolean {
  if (/^[a-z+]+:\/\//i.test(url)) return /^(git\+)?ssh:\/\//i.test(url);
  return /^[^/\\:]+:(?!\\)/.test(url);
}

function keysIn(folder: string): string[] {
  try {
    const names = readdirSync(folder);
    return names
      .filter((name) => names.includes(`${name}.pub`) || /^id_\w+$/.test(name))
      .map((name) => join(folder, name));
  } catch {
    return [];
  }
}

/** The format tells by its cipher's name, or in a header, whether there is a passphrase; nothing else of it is used. */
function openKey(file: string): boolean {
  try {
    const text = textIn(file) ?? '';
    if (!/^-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) return false;
    if (!text.startsWith('-----BEGIN OPENSSH')) return !text.includes('ENCRYPTED');
    const body = Buffer.from(text.split('\n').slice(1, 4).join(''), 'base64');
    const magic = 'openssh-key-v1\0'.length;
    return body.toString('latin1', magic + 4, magic + 4 + body.readUInt32BE(magic)) === 'none';
  } catch {
    return false;
  }
}
