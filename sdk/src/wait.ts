import { WaitTimeoutError } from "./errors.js";

/** How long to wait for something. */
export type WaitParameters = {
  /** Milliseconds between two looks; the client's by default. */
  pollingInterval?: number | undefined;
  /** Milliseconds after which the wait is given up; never by default, since some waits last for days. */
  timeout?: number | undefined;
};

/**
 * Looks until there is something.
 *
 * @param look The answer, or in how many milliseconds to look again.
 */
export async function waitFor<T>(what: string, timeout: number | undefined, look: () => Promise<{ found: T } | { again: number }>): Promise<T> {
  const end = timeout === undefined ? Infinity : Date.now() + timeout;
  for (;;) {
    const answer = await look();
    if ("found" in answer) return answer.found;
    const left = end - Date.now();
    if (left <= 0) throw new WaitTimeoutError(what, timeout ?? 0);
    await new Promise((resolve) => setTimeout(resolve, Math.min(answer.again, left)));
  }
}
