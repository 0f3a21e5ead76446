/** Calls on a closed connection end with an error that their caller can catch. */
import { InterceptingCall, type Interceptor, Metadata, status } from '@grpc/grpc-js';

/**
 * Goes behind the SDK's retry interceptor. That one retries from a timer, and gRPC throws there if the connection was
 * closed meanwhile, which ends the program.
 */
export const endClosedCalls: Interceptor = (options, nextCall) => {
  try {
    return new InterceptingCall(nextCall(options));
  } catch (error) {
    return new InterceptingCall(endedCall(error instanceof Error ? error.message : String(error)));
  }
};

/** Ends as soon as it starts, with `CANCELLED`, which is not retried. */
function endedCall(details: string): ConstructorParameters<typeof InterceptingCall>[0] {
  const ignore = (): void => undefined;
  return {
    start(_metadata, listener) {
      process.nextTick(() => {
        // The SDK forwards a status only after a message, which is the order in which gRPC gives them.
        listener?.onReceiveMessage?.(null);
        listener?.onReceiveStatus?.({ code: status.CANCELLED, details, metadata: new Metadata() });
      });
    },
    getPeer: () => 'unknown',
    getAuthContext: () => null,
    cancelWithStatus: ignore,
    sendMessageWithContext: ignore,
    sendMessage: ignore,
    startRead: ignore,
    halfClose: ignore,
  };
}
