/* What a launch needs, loaded by the first one of a tick and as one bundle: the protocol, and this machine behind it. */
export { dispatch } from './dispatch.ts';
export { launchOutside } from './outside.ts';
export { claim, launch } from './protocol.ts';
