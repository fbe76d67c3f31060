package org.dwsr.fuzz;

import com.code_intelligence.jazzer.api.FuzzedDataProvider;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.dwsr.http.ResponseHead;

/** Any bytes as a response head; as {@link RequestFuzz}. */
public final class ResponseFuzz {
    private ResponseFuzz() {}

    public static void fuzzerTestOneInput(FuzzedDataProvider data) {
        int cut = data.consumeInt(0, 70_000);
        boolean toHead = data.consumeBoolean();
        boolean toConnect = data.consumeBoolean();
        String begin = data.consumeBoolean() ? "HTTP/1.1 200 OK\r\n" : "";
        byte[] bytes = (begin + data.consumeRemainingAsString()).getBytes(StandardCharsets.ISO_8859_1);
        ByteBuffer buf = ByteBuffer.wrap(bytes);
        ResponseHead head = new ResponseHead();
        int length = head.parse(buf, 0, bytes.length);
        if (length > 0) {
            Targets.check(length <= bytes.length && length <= ResponseHead.MAX_HEAD_BYTES, "head beyond its bytes");
            head.bodyKind(toHead, toConnect);
            Targets.check(head.contentLength() >= -1, "content length " + head.contentLength());
            Targets.check(head.parse(buf, 0, length) == length, "head depends on what follows it");
            int before = head.parse(buf, 0, Math.min(cut, length - 1));
            Targets.check(before == ResponseHead.INCOMPLETE, "the beginning of a head is judged otherwise");
        } else {
            Targets.check(length == ResponseHead.INCOMPLETE || length == ResponseHead.REFUSED, "no verdict");
        }
    }
}
