import { type Lacking, pressureLimits, type Resource, type Room, type RoomLimits } from '../model/room.ts';

/** What there is too little of for a launch; null = nothing. */
export function lacking({ memory, pressure }: Room, limits: RoomLimits): Lacking | null {
  const { min_free_memory_mb } = limits;
  if (memory !== null && memory.available_mb < min_free_memory_mb)
    return { because: 'low_memory', evidence: { ...memory, min_free_memory_mb } };
  for (const [resource, most] of Object.entries(pressureLimits(limits))) {
    const percent = pressure[resource as Resource];
    if (most !== null && percent !== undefined && percent > most)
      return { because: 'under_pressure', evidence: { resource: resource as Resource, percent, most } };
  }
  return null;
}
