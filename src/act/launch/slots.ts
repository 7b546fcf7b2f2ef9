import { hostId } from '../../machine/process.ts';
import { readRunFile } from '../../runs/run-file.ts';
import type { Here } from '../here.ts';

/** Numbers for the agents of this host, by which they keep out of each other's way (ports, databases): each launch gets the least that no
 *  live run has, and keeps it while it lives. */
export function slotGiver({ board, places }: Pick<Here, 'board' | 'places'>): () => Promise<number> {
  let taken: Promise<Set<number>> | undefined;
  const look = async (): Promise<Set<number>> => {
    const host_id = hostId(places.state);
    const live = (await board.liveRuntimes()).filter((row) => row.host_id === host_id);
    return new Set(live.flatMap(({ mark }) => readRunFile(places.runs, mark)?.slot ?? []));
  };
  return async () => {
    taken ??= look();
    const all = await taken;
    let slot = 0;
    while (all.has(slot)) slot++;
    all.add(slot);
    return slot;
  };
}
