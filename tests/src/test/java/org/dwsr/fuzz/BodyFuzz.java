package org.dwsr.fuzz;

import com.code_intelligence.jazzer.api.FuzzedDataProvider;
import java.nio.ByteBuffer;
import org.dwsr.http.BodyFraming;
import org.dwsr.http.BodyKind;

/** Any bytes as a chunked body: it ends or breaks at the same byte however the bytes are cut. */
public final class BodyFuzz {
    private BodyFuzz() {}

    public static void fuzzerTestOneInput(FuzzedDataProvider data) {
        int piece = data.consumeInt(1, 64);
        byte[] bytes = data.consumeRemainingAsBytes();
        ByteBuffer buf = ByteBuffer.wrap(bytes);
        BodyFraming whole = new BodyFraming();
        whole.begin(BodyKind.CHUNKED, 0);
        int taken = whole.consume(buf, 0, bytes.length);
        Targets.check(taken >= 0 && taken <= bytes.length, "took " + taken);
        Targets.check(taken == bytes.length || whole.done() || whole.broken(), "stopped without reason");
        BodyFraming pieces = new BodyFraming();
        pieces.begin(BodyKind.CHUNKED, 0);
        int at = 0;
        while (at < bytes.length && !pieces.done() && !pieces.broken()) {
            at += pieces.consume(buf, at, Math.min(piece, bytes.length - at));
        }
        Targets.check(at == taken, "ends at " + taken + " in one piece and at " + at + " in pieces of " + piece);
        Targets.check(pieces.done() == whole.done() && pieces.broken() == whole.broken(), "ends otherwise in pieces");
        Targets.check(pieces.opaqueRemaining() == whole.opaqueRemaining(), "other remainder in pieces");
    }
}
