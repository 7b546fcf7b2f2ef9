import { fstatSync, statSync } from 'node:fs';

/** Whether a descriptor is a terminal: a character device, and not /dev/null. Asked of the descriptor, because
 *  touching `process.stdout` loads Node's streams, which an idle tick would pay for. */
export function isTerminal(fd: number): boolean {
  try {
    const stat = fstatSync(fd);
    return stat.isCharacterDevice() && stat.rdev !== statSync('/dev/null').rdev;
  } catch {
    return false;
  }
}
