import { BaseError } from "viem";

/** Something that this package refuses or does not find. Says what to do. */
export class SuretyError extends BaseError {
  constructor(message: string, options: { cause?: Error } = {}) {
    super(message, { name: "SuretyError", ...options });
  }
}

/** What was waited for did not come within the `timeout` that the caller set; waiting can go on with another call. */
export class WaitTimeoutError extends SuretyError {
  constructor(what: string, milliseconds: number) {
    super(`not within ${milliseconds} ms: ${what}`);
    this.name = "WaitTimeoutError";
  }
}
