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
import org.dwsr.packet.IpAddress;
import org.dwsr.switching.CounterSink;

/** What one core told about its connections, and counters; not thread-safe, but handed from thread to thread. */
final class ConnectionReport implements PacketCore.ReportSink, CounterSink {
    private static final JsonFactory JSON = new JsonFactory();
    private static final int LIVE = 5;

    /** Each live connection takes five: key, two halves of the client's address, tag, client MAC. */
    private long[] live = new long[0];

    private int liveCount;
    private long[] endedKeys = new long[0];
    private int[] endedSeqs = new int[0];
    private long[] endedClients = new long[0];
    private int endedCount;
    private final Map<String, Long> counters = new LinkedHashMap<>();

    @Override
    public void live(long connectionKey, long clientHigh, long clientLow, long tagMac, long clientMac) {
        if (liveCount * LIVE == live.length) {
            live = Arrays.copyOf(live, Math.max(16 * LIVE, live.length * 2));
        }
        live[liveCount * LIVE] = connectionKey;
        live[liveCount * LIVE + 1] = clientHigh;
        live[liveCount * LIVE + 2] = clientLow;
        live[liveCount * LIVE + 3] = tagMac;
        live[liveCount * LIVE + 4] = clientMac;
        liveCount++;
    }

    @Override
    public void ended(long connectionKey, long clientHigh, long clientLow, int seq) {
        if (endedCount == endedKeys.length) {
            int length = Math.max(16, endedCount * 2);
            endedKeys = Arrays.copyOf(endedKeys, length);
            endedSeqs = Arrays.copyOf(endedSeqs, length);
            endedClients = Arrays.copyOf(endedClients, length * 2);
        }
        endedClients[endedCount * 2] = clientHigh;
        endedClients[endedCount * 2 + 1] = clientLow;
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
            long[] both = Arrays.copyOf(earlier.live, (earlier.liveCount + liveCount) * LIVE);
            System.arraycopy(live, 0, both, earlier.liveCount * LIVE, liveCount * LIVE);
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
        long[] clients = Arrays.copyOf(earlier.endedClients, total * 2);
        System.arraycopy(endedClients, 0, clients, earlier.endedCount * 2, endedCount * 2);
        endedClients = clients;
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
                writeKey(json, live[i * LIVE], live[i * LIVE + 1], live[i * LIVE + 2]);
                json.writeStringField("tag", MacAddress.format(live[i * LIVE + 3]));
                json.writeStringField("clientMac", MacAddress.format(live[i * LIVE + 4]));
                json.writeEndObject();
            }
            json.writeEndArray();
            json.writeArrayFieldStart("ended");
            for (int i = 0; i < endedCount; i++) {
                json.writeStartObject();
                writeKey(json, endedKeys[i], endedClients[i * 2], endedClients[i * 2 + 1]);
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

    private static void writeKey(JsonGenerator json, long key, long high, long low) throws IOException {
        String address = IpAddress.format(high, low);
        json.writeStringField(
                "client",
                (IpAddress.isIpv6(high, low) ? "[" + address + "]" : address) + ":" + ConnectionKey.clientPort(key));
        json.writeNumberField("port", ConnectionKey.servicePort(key));
    }
}
