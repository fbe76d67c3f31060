package org.dwsr.controller;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.regex.Pattern;
import org.dwsr.config.MacAddress;
import org.dwsr.packet.ConnectionKey;
import org.dwsr.packet.IpAddress;
import org.dwsr.packet.MigrationTag;
import org.dwsr.switching.FilterReport;

/**
 * Reads the body of {@code POST /filters/SERVER/report}.
 *
 * <pre>
 * { "boot": "random word", "full": true,
 *   "live":  [ { "client": "10.0.0.1:40000", "port": 80, "tag": "d6:52:…", "clientMac": "…" } ],
 *   "ended": [ { "client": "10.0.0.1:40000", "port": 80, "seq": 4294967295 } ],
 *   "counters": { "name": 1 } }
 * </pre>
 *
 * An IPv6 client is {@code "[fd00::1]:40000"}. {@code live}, {@code ended} and {@code counters} may be absent.
 */
final class ReportReader {
    private static final ObjectMapper JSON = JsonMapper.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();
    private static final Pattern PORT = Pattern.compile("[0-9]{1,5}");
    private static final int MAX_PORT = 0xFFFF;
    private static final int MAX_BOOT_LENGTH = 64;

    private final FilterReport report;
    private final Map<String, Long> counters = new LinkedHashMap<>();

    /**
     * Reads a body.
     *
     * @throws Malformed if it is not a report
     */
    ReportReader(String server, byte[] body) throws Malformed {
        JsonNode root;
        try {
            root = JSON.readTree(body);
        } catch (JsonProcessingException e) {
            throw new Malformed("not JSON: " + e.getOriginalMessage());
        } catch (IOException e) {
            throw new Malformed("not JSON: " + e.getMessage());
        }
        if (!root.isObject()) {
            throw new Malformed("$: an object is expected");
        }
        String boot = text(root, "$", "boot");
        if (boot.isEmpty() || boot.length() > MAX_BOOT_LENGTH) {
            throw new Malformed("$.boot: 1 to " + MAX_BOOT_LENGTH + " characters are expected");
        }
        JsonNode full = root.path("full");
        if (!full.isBoolean()) {
            throw new Malformed("$.full: true or false is expected");
        }
        JsonNode live = list(root, "live");
        long[] liveKeys = new long[live.size()];
        IpAddress[] liveClients = new IpAddress[live.size()];
        long[] liveTags = new long[live.size()];
        long[] liveClientMacs = new long[live.size()];
        for (int i = 0; i < live.size(); i++) {
            String path = "$.live[" + i + "]";
            liveClients[i] = client(live.get(i), path);
            liveKeys[i] = key(live.get(i), path, liveClients[i]);
            liveTags[i] = mac(live.get(i), path, "tag");
            if (!MigrationTag.isTag(liveTags[i])) {
                throw new Malformed(path + ".tag: a migration tag (d6:52… or d6:53…) is expected");
            }
            liveClientMacs[i] = mac(live.get(i), path, "clientMac");
        }
        JsonNode ended = list(root, "ended");
        long[] endedKeys = new long[ended.size()];
        IpAddress[] endedClients = new IpAddress[ended.size()];
        int[] endedSeqs = new int[ended.size()];
        for (int i = 0; i < ended.size(); i++) {
            String path = "$.ended[" + i + "]";
            endedClients[i] = client(ended.get(i), path);
            endedKeys[i] = key(ended.get(i), path, endedClients[i]);
            endedSeqs[i] = (int) number(ended.get(i), path, "seq", 0, 0xFFFF_FFFFL);
        }
        JsonNode values = root.path("counters");
        if (!values.isMissingNode() && !values.isObject()) {
            throw new Malformed("$.counters: an object is expected");
        }
        for (Map.Entry<String, JsonNode> value : values.properties()) {
            counters.put(value.getKey(), number(values, "$.counters", value.getKey(), 0, Long.MAX_VALUE));
        }
        report = new FilterReport(
                server,
                boot,
                full.booleanValue(),
                liveKeys,
                liveClients,
                liveTags,
                liveClientMacs,
                endedKeys,
                endedClients,
                endedSeqs);
    }

    FilterReport report() {
        return report;
    }

    Map<String, Long> counters() {
        return counters;
    }

    private static JsonNode list(JsonNode root, String field) throws Malformed {
        JsonNode list = root.path(field);
        if (!list.isArray() && !list.isMissingNode()) {
            throw new Malformed("$." + field + ": a list is expected");
        }
        return list;
    }

    private static IpAddress client(JsonNode node, String path) throws Malformed {
        String client = text(node, path, "client");
        String address = client.substring(0, Math.max(0, client.lastIndexOf(':')));
        boolean bracketed = address.startsWith("[") && address.endsWith("]");
        try {
            IpAddress parsed = IpAddress.parse(bracketed ? address.substring(1, address.length() - 1) : address);
            if (parsed.isIpv6() == bracketed) {
                return parsed;
            }
        } catch (IllegalArgumentException e) {
            throw new Malformed(path + ".client: an address and a port are expected: " + e.getMessage());
        }
        throw new Malformed(path + ".client: brackets around an IPv6 address, and only there, are expected");
    }

    private static long key(JsonNode node, String path, IpAddress address) throws Malformed {
        String client = text(node, path, "client");
        int colon = client.lastIndexOf(':');
        String digits = client.substring(colon + 1);
        int port = PORT.matcher(digits).matches() ? Integer.parseInt(digits) : 0;
        if (port < 1 || port > MAX_PORT) {
            throw new Malformed(path + ".client: a port from 1 to " + MAX_PORT + " is expected");
        }
        return ConnectionKey.of(address.alias(), port, (int) number(node, path, "port", 1, MAX_PORT));
    }

    private static long mac(JsonNode node, String path, String field) throws Malformed {
        try {
            return MacAddress.parse(text(node, path, field));
        } catch (IllegalArgumentException e) {
            throw new Malformed(path + "." + field + ": " + e.getMessage());
        }
    }

    private static long number(JsonNode node, String path, String field, long min, long max) throws Malformed {
        JsonNode value = node.path(field);
        if (!value.isIntegralNumber()
                || !value.canConvertToLong()
                || value.longValue() < min
                || value.longValue() > max) {
            throw new Malformed(path + "." + field + ": a number from " + min + " to " + max + " is expected");
        }
        return value.longValue();
    }

    private static String text(JsonNode node, String path, String field) throws Malformed {
        JsonNode value = node.path(field);
        if (!value.isTextual()) {
            throw new Malformed(path + "." + field + ": a string is expected");
        }
        return value.textValue();
    }

    /** A body that is not a report; the message says where and why. */
    static final class Malformed extends Exception {
        private static final long serialVersionUID = 1L;

        Malformed(String message) {
            super(message);
        }
    }
}
