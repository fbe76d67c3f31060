package org.dwsr.fuzz;

import com.code_intelligence.jazzer.api.FuzzedDataProvider;
import java.nio.ByteBuffer;
import org.dwsr.http.RequestHead;

/** Any bytes as a request head: a length within what was given, and the same however many bytes follow or lack. */
public final class RequestFuzz {
    private RequestFuzz() {}

    public static void fuzzerTestOneInput(FuzzedDataProvider data) {
        int cut = data.consumeInt(0, 20_000);
        byte[] bytes = data.consumeRemainingAsBytes();
        ByteBuffer buf = ByteBuffer.wrap(bytes);
        RequestHead head = new RequestHead();
        int length = head.parse(buf, 0, bytes.length);
        if (length > 0) {
            Targets.check(length <= bytes.length && length <= RequestHead.MAX_HEAD_BYTES, "head beyond its bytes");
            Targets.check(head.pathOffset() + head.pathLength() <= length, "path beyond the head");
            Targets.check(head.hostOffset() + head.hostLength() <= length, "host beyond the head");
            Targets.check(head.extensionOffset() + head.extensionLength() <= length, "extension beyond the head");
            Targets.check(head.parse(buf, 0, length) == length, "head depends on what follows it");
            int before = head.parse(buf, 0, Math.min(cut, length - 1));
            Targets.check(before == RequestHead.INCOMPLETE, "the beginning of a head is judged otherwise");
        } else {
            Targets.check(length == RequestHead.INCOMPLETE || length == RequestHead.REFUSED, "no verdict");
            Targets.check(
                    length == RequestHead.REFUSED || bytes.length <= RequestHead.MAX_HEAD_BYTES,
                    "an endless head stays incomplete");
        }
    }
}
