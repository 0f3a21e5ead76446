/** Calls on a connection that was closed end with an error of their own, and not with one that nobody can catch. */
import { InterceptingCall, type Interceptor, Metadata, status } from '@grpc/grpc-js';

/**
 * Stands behind the SDK's interceptor that makes calls again. That one does so from a timer, and gRPC throws where the
 * connection was closed meanwhile: in the timer, which ends the program.
 */
export const endClosedCalls: Interceptor = (options, nextCall) => {
  try {
    return new InterceptingCall(nextCall(options));
  } catch (error) {
    return new InterceptingCall(endedCall(error instanceof Error ? error.message : String(error)));
  }
};

/** Ends as soon as it starts: with `CANCELLED`, which is not tried again. */
function endedCall(details: string): ConstructorParameters<typeof InterceptingCall>[0] {
  const ignore = (): void => undefined;
  return {
    start(_metadata, listener) {
      process.nextTick(() => {
        // The SDK passes on a status only after a message, as gRPC gives them.
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
