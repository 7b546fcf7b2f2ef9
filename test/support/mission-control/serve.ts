/* The reference server as a process of its own: `serve.ts FILE OPTIONS`. Its first line tells where it is; each line on its input is
 *  a fault, as JSON; it ends with its input. */
import { createInterface } from 'node:readline';
import { type Fault, missionControl, type Options } from './server.ts';

const server = await missionControl(process.argv[2] ?? '', JSON.parse(process.argv[3] ?? '{}') as Options);
process.stdout.write(`${JSON.stringify({ url: server.url, token: server.token })}\n`);
for await (const line of createInterface({ input: process.stdin })) {
  server.fail(JSON.parse(line) as Fault);
  process.stdout.write('heard\n');
}
for (const wrong of server.broken) process.stdout.write(`broken: ${wrong}\n`);
await server.close();
