/** What follows a tick and most configurations do not ask for: loaded by the first of it that is due. */
export { metricsOfTick } from '../metrics/write.ts';
export { tell } from '../notify/tell.ts';
export { writePage } from '../page/write.ts';
export { tellChanges } from './commons.ts';
export { startFilling } from './pool.ts';
