import type { Runtime } from '../../model/runtime.ts';

export type Sent =
  | { readonly kind: 'accepted' }
  /** RuntimeBusyError, with who is busy. */
  | { readonly kind: 'busy'; readonly runtime: Runtime }
  /** Certainly nothing was started. */
  | { readonly kind: 'refused'; readonly why: string }
  /** Nobody knows. */
  | { readonly kind: 'unknown'; readonly why: string };

export interface SendRequest {
  readonly ticket: string;
  readonly run: string;
  readonly text: string;
  /** Of this one text. */
  readonly nonce: string;
}

/** Whoever starts the runtimes in our place, and hands texts to those that it has started. */
export interface Starter {
  /** `once`: what may have been done is not asked for again. No registration keeps a second text out. */
  send(request: SendRequest, at: { readonly now_ms: number; readonly once?: boolean }): Promise<Sent>;
}
