package org.dwsr.benchmark;

import java.nio.charset.StandardCharsets;
import java.util.concurrent.TimeUnit;
import org.dwsr.packet.TcpFlags;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/**
 * Later requests of a connection, and their responses' heads. A request needs a response before the sixteenth after
 * it, so each round is sixteen of what is measured, each in a segment of its own, and one segment with the sixteen
 * shortest counterparts; its cost is in the figure.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class KeepAliveBenchmark {
    private static final int ROUND = 16;
    private static final String SHORT_REQUEST = "GET /img/a HTTP/1.1\r\nHost:h\r\n\r\n";
    private static final String SHORT_RESPONSE = "HTTP/1.1 204 A\r\n\r\n";
    private static final String OURS = "DR0189C1";
    private static final String ORIGINAL = "PHPSESSI";
    private static final String SESSION = "D=5k2v8s7mtg0u1q4r9p3n6w2x1z";

    private final Segment plainRequest = request("theme=dark; lang=en-US; id=5k2v8s7mtg0u1q4r9p3n6");
    private final Segment cookieRequest = request("theme=dark; lang=en; " + OURS + SESSION);
    private final Segment plainResponse = response("Set-Cookie: theme=da" + SESSION);
    private final Segment cookieResponse = response("Set-Cookie: " + ORIGINAL + SESSION);
    private final Segment shortRequests = Segment.fromClient(TcpFlags.ACK | TcpFlags.PSH, SHORT_REQUEST.repeat(ROUND));
    private final Segment shortResponses =
            Segment.fromServer(TcpFlags.ACK | TcpFlags.PSH, SHORT_RESPONSE.repeat(ROUND));
    private final int restoredAt = find(cookieRequest, OURS);
    private final int renamedAt = find(cookieResponse, ORIGINAL);
    private final long ours = cookieRequest.frame.getLong(restoredAt);
    private final long original = cookieResponse.frame.getLong(renamedAt);
    private FilteredConnection connection = new FilteredConnection();

    private static Segment request(String cookies) {
        return Segment.fromClient(TcpFlags.ACK | TcpFlags.PSH, Network.get(cookies));
    }

    private static Segment response(String setCookie) {
        return Segment.fromServer(
                TcpFlags.ACK | TcpFlags.PSH,
                "HTTP/1.1 200 OK\r\n"
                        + "Server: nginx\r\n"
                        + "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
                        + "Content-Type: text/html; charset=UTF-8\r\n"
                        + "Content-Length: 200\r\n"
                        + "Connection: keep-alive\r\n"
                        + setCookie + "; path=/\r\n\r\n"
                        + "b".repeat(200));
    }

    private static int find(Segment segment, String text) {
        byte[] bytes = new byte[segment.length];
        segment.frame.get(0, bytes);
        return new String(bytes, StandardCharsets.ISO_8859_1).indexOf(text);
    }

    /** One request, answered. */
    @Setup
    public void begin() {
        connection = new FilteredConnection();
        connection.open(SHORT_REQUEST);
        connection.response(Segment.fromServer(TcpFlags.ACK, SHORT_RESPONSE));
    }

    /** The guard reads a request that stays here. */
    @Benchmark
    @OperationsPerInvocation(ROUND)
    public void guardedRequest() {
        for (int i = 0; i < ROUND; i++) {
            connection.request(plainRequest);
        }
        connection.response(shortResponses);
    }

    /** The same, and a session cookie's name is restored in it. */
    @Benchmark
    @OperationsPerInvocation(ROUND)
    public void guardedRequestWithCookie() {
        for (int i = 0; i < ROUND; i++) {
            cookieRequest.frame.putLong(restoredAt, ours);
            connection.request(cookieRequest);
        }
        connection.response(shortResponses);
    }

    /** A response's head that sets no session cookie, and a short body. */
    @Benchmark
    @OperationsPerInvocation(ROUND)
    public void responseHead() {
        connection.request(shortRequests);
        for (int i = 0; i < ROUND; i++) {
            connection.response(plainResponse);
        }
    }

    /** The same, and a session cookie's name is replaced in it. */
    @Benchmark
    @OperationsPerInvocation(ROUND)
    public void responseHeadWithCookie() {
        connection.request(shortRequests);
        for (int i = 0; i < ROUND; i++) {
            cookieResponse.frame.putLong(renamedAt, original);
            connection.response(cookieResponse);
        }
    }

    /** How often a cookie's name was changed, to see that it is. */
    long cookiesChanged() {
        long[] found = new long[1];
        connection.core.counters((name, value) -> found[0] += name.startsWith("cookies_") ? value : 0);
        return found[0];
    }
}
