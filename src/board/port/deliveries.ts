export interface DeliveryRow {
  readonly id: string;
  readonly run_id: string;
  readonly ticket_id: string | null;
  readonly kind: 'prompt' | 'send' | 'answer' | 'nudge' | 'permission';
  /** Of this one delivery: the same text may be sent twice on purpose. */
  readonly nonce: string;
  readonly sha256: string;
  readonly bytes: number;
  readonly outcome: 'started' | 'delivered' | 'queued' | 'busy' | 'indeterminate' | 'pending' | 'refused';
  /** What acknowledged it; `turn:<n>` = nothing yet, and it was sent after the run's turn n. */
  readonly ack_source: string | null;
  readonly at_ms: number;
}

/** Texts on their way into runtimes. */
export interface Deliveries {
  saveDelivery(row: DeliveryRow): Promise<void>;
  setDelivery(to: Pick<DeliveryRow, 'id' | 'outcome' | 'ack_source'>): Promise<void>;
  /** The latest that was saved of these kinds for this run. */
  lastDelivery(of: {
    readonly run: string;
    readonly kinds: readonly DeliveryRow['kind'][];
  }): Promise<DeliveryRow | null>;
  /** The latest of this very text whose fate is open (`pending`, `indeterminate`), whatever was sent after it. */
  openDelivery(of: { readonly run: string; readonly sha256: string }): Promise<DeliveryRow | null>;
}
