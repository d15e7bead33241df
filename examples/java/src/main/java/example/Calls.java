package example;

import com.google.protobuf.Any;
import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.UnknownFieldSet;
import com.google.rpc.RetryInfo;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.Supplier;

/** Calls that are made again while that is of use, and what a refusal says. */
final class Calls {
    static final int DEADLINE_S = 30;
    private static final int SENDINGS_MAX = 8; // a ledger that is away for longer is a matter for people
    private static final long PAUSE_MS_MAX = 10_000;

    private Calls() {}

    /**
     * Sends a request, and the very same again while nobody can know whether it was carried out. The event id in it makes
     * that safe: the same act gets the same receipt.
     */
    static <A> A call(Supplier<A> request) throws InterruptedException {
        for (int sending = 0; ; sending++) {
            try {
                return request.get();
            } catch (StatusRuntimeException error) {
                long pauseMs = pauseBefore(error, sending);
                if (pauseMs < 0 || sending + 1 == SENDINGS_MAX) {
                    throw error;
                }
                Thread.sleep(pauseMs);
            }
        }
    }

    /** Milliseconds to wait before the same request is sent again; negative when it must not be. */
    private static long pauseBefore(StatusRuntimeException error, int sending) {
        ByteString retry = detail(error, "RetryInfo");
        if (retry != null) {
            try {
                com.google.protobuf.Duration delay = RetryInfo.parseFrom(retry).getRetryDelay();
                return Math.min(delay.getSeconds() * 1000 + delay.getNanos() / 1_000_000, PAUSE_MS_MAX);
            } catch (InvalidProtocolBufferException malformed) {
                return -1;
            }
        }
        // A refusal of the ledger that names no delay is final. A status without details comes from the way there.
        Status.Code code = error.getStatus().getCode();
        boolean cut = code == Status.Code.UNAVAILABLE || code == Status.Code.RESOURCE_EXHAUSTED
                || code == Status.Code.DEADLINE_EXCEEDED;
        if (!cut || !reason(error).isEmpty()) {
            return -1;
        }
        long pauseMs = Math.min(100L << sending, PAUSE_MS_MAX);
        return pauseMs / 2 + ThreadLocalRandom.current().nextLong(pauseMs / 2);
    }

    /** Why the ledger refuses; empty when it was not the ledger that answered. */
    static String reason(StatusRuntimeException error) {
        return text(detail(error, "ErrorInfo"), 1, "");
    }

    /** What a refusal says, in English and Chinese. */
    static String told(StatusRuntimeException error) {
        String reason = reason(error);
        return (reason.isEmpty() ? error.getStatus().getCode().name() : reason)
                + "\n  en: " + error.getStatus().getDescription()
                + "\n  zh: " + text(detail(error, "LocalizedMessage"), 2, "—");
    }

    /** One detail of the standard error model, by the name of its type in google.rpc. */
    private static ByteString detail(StatusRuntimeException error, String name) {
        com.google.rpc.Status status = StatusProto.fromThrowable(error);
        for (Any any : status == null ? List.<Any>of() : status.getDetailsList()) {
            if (any.getTypeUrl().endsWith("/google.rpc." + name)) {
                return any.getValue();
            }
        }
        return null;
    }

    /** A text field by its number, so that a library that does not know the message yet will do. */
    private static String text(ByteString message, int field, String otherwise) {
        try {
            List<ByteString> values = message == null ? List.of()
                    : UnknownFieldSet.parseFrom(message).getField(field).getLengthDelimitedList();
            return values.isEmpty() ? otherwise : values.get(0).toStringUtf8();
        } catch (InvalidProtocolBufferException malformed) {
            return otherwise;
        }
    }
}
