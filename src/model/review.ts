export const REVIEW_STAGES = [
  'read',
  'pushing',
  'pushed',
  'opening',
  'open',
  'merged',
  'closed',
  'refused',
] as const;

/** How far the work of one claim has come on its way out. `pushing` and `opening` are written before the deed, whose
 *  outcome is then looked for; `read` = nothing goes out; `refused` = a person has to do something. */
export type ReviewStage = (typeof REVIEW_STAGES)[number];
