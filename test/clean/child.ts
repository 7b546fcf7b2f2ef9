/** `clean` with its failpoints, in a process that may be killed: `node child.ts ARGS`. */
Object.assign(globalThis, { MC_PICKUP_FAILPOINTS: true, MC_PICKUP_VERSION: '0' });
const { main } = await import('../../src/main.ts');
await main(process.argv.slice(2), process.env);
