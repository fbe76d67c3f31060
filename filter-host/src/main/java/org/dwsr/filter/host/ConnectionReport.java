package org.dwsr.filter.host;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.dwsr.config.MacAddress;
import org.dwsr.filter.PacketCore;
import org.dwsr.packet.ConnectionKey;
import org.dwsr.switching.CounterSink;

/** What one core told about its connections, and counters; not thread-safe, but handed from thread to thread. */
final class ConnectionReport implements PacketCore.ReportSink, CounterSink {
    private static final JsonFactory JSON = new JsonFactory();

    /** Each live connection takes three: key, tag, client MAC. */
    private long[] live = new long[0];

    private int liveCount;
    private long[] endedKeys = new long[0];
    private int[] endedSeqs = new int[0];
    private int endedCount;
    private final Map<String, Long> counters = new LinkedHashMap<>();

    @Override
    public void live(long connectionKey, long tagMac, long clientMac) {
        if (liveCount * 3 == live.length) {
            live = Arrays.copyOf(live, Math.max(48, live.length * 2));
        }
        live[liveCount * 3] = connectionKey;
        live[liveCount * 3 + 1] = tagMac;
        live[liveCount * 3 + 2] = clientMac;
        liveCount++;
    }

    @Override
    public void ended(long connectionKey, int seq) {
        if (endedCount == endedKeys.length) {
            int length = Math.max(16, endedCount * 2);
            endedKeys = Arrays.copyOf(endedKeys, length);
            endedSeqs = Arrays.copyOf(endedSeqs, length);
        }
        endedKeys[endedCount] = connectionKey;
        endedSeqs[endedCount++] = seq;
    }

    @Override
    public void counter(String name, long value) {
        counters.put(name, value);
    }

    int liveCount() {
        return liveCount;
    }

    int endedCount() {
        return endedCount;
    }

    Map<String, Long> counters() {
        return counters;
    }

    /** Takes over what an earlier report told that did not arrive; unless this one is full, its live connections too. */
    void prepend(ConnectionReport earlier, boolean full) {
        if (!full && earlier.liveCount > 0) {
            long[] both = Arrays.copyOf(earlier.live, (earlier.liveCount + liveCount) * 3);
            System.arraycopy(live, 0, both, earlier.liveCount * 3, liveCount * 3);
            live = both;
            liveCount += earlier.liveCount;
        }
        if (earlier.endedCount == 0) {
            return;
        }
        int total = earlier.endedCount + endedCount;
        long[] keys = Arrays.copyOf(earlier.endedKeys, total);
        int[] seqs = Arrays.copyOf(earlier.endedSeqs, total);
        System.arraycopy(endedKeys, 0, keys, earlier.endedCount, endedCount);
        System.arraycopy(endedSeqs, 0, seqs, earlier.endedCount, endedCount);
        endedKeys = keys;
        endedSeqs = seqs;
        endedCount = total;
    }

    /**
     * The body of {@code POST /filters/SERVER/report} (docs/configuration.md).
     *
     * @param boot the random word of this process
     * @param full whether all live connections are told
     */
    byte[] toJson(String boot, boolean full) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream(256);
        try (JsonGenerator json = JSON.createGenerator(bytes)) {
            json.writeStartObject();
            json.writeStringField("boot", boot);
            json.writeBooleanField("full", full);
            json.writeArrayFieldStart("live");
            for (int i = 0; i < liveCount; i++) {
                json.writeStartObject();
                writeKey(json, live[i * 3]);
                json.writeStringField("tag", MacAddress.format(live[i * 3 + 1]));
                json.writeStringField("clientMac", MacAddress.format(live[i * 3 + 2]));
                json.writeEndObject();
            }
            json.writeEndArray();
            json.writeArrayFieldStart("ended");
            for (int i = 0; i < endedCount; i++) {
                json.writeStartObject();
                writeKey(json, endedKeys[i]);
                json.writeNumberField("seq", Integer.toUnsignedLong(endedSeqs[i]));
                json.writeEndObject();
            }
            json.writeEndArray();
            json.writeObjectFieldStart("counters");
            for (Map.Entry<String, Long> counter : counters.entrySet()) {
                json.writeNumberField(counter.getKey(), counter.getValue());
            }
            json.writeEndObject();
            json.writeEndObject();
        } catch (IOException impossible) {
            throw new UncheckedIOException(impossible); // the stream is memory
        }
        return bytes.toByteArray();
    }

    private static void writeKey(JsonGenerator json, long key) throws IOException {
        int a = ConnectionKey.clientAddress(key);
        json.writeStringField(
                "client",
                (a >>> 24) + "." + (a >>> 16 & 255) + "." + (a >>> 8 & 255) + "." + (a & 255) + ":"
                        + ConnectionKey.clientPort(key));
        json.writeNumberField("port", ConnectionKey.servicePort(key));
    }
}
