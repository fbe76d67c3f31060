package org.dwsr.filter;

import static org.dwsr.filter.FilterFixture.ELSEWHERE;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.dwsr.packet.MigrationTag;
import org.dwsr.packet.TcpFlags;
import org.junit.jupiter.api.Test;

/**
 * Many requests of one connection, cut anew for every transmission, overlapping, repeated and out of order, against
 * byte-exact models of the client and of the server's TCP.
 */
class FilterCorePropertyTest {
    private static final int RUNS = 300;
    private static final int MAX_STEPS = 20_000;

    @Test
    void shouldGiveServerExactlyTheAcceptedRequestsHoweverTheStreamIsCut() {
        long start = Long.getLong("dwsr.seed", System.nanoTime());
        for (int i = 0; i < RUNS; i++) {
            long seed = start + i;
            try {
                new Run(seed).toTheEnd();
            } catch (AssertionError | RuntimeException e) {
                throw new AssertionError("seed " + seed, e);
            }
        }
    }

    /** One connection. Positions are offsets into the two streams. */
    private static final class Run {
        private final Random random;
        private final FilterFixture f;
        /** What the client sends, and what of it the server is to see. */
        private final StringBuilder requests = new StringBuilder();

        private final StringBuilder accepted = new StringBuilder();
        private final List<Integer> requestEnds = new ArrayList<>();
        private final boolean moves;

        /** What the server sends, grown with each request it has whole, and what of it the client is to see. */
        private final StringBuilder responses = new StringBuilder();

        private final StringBuilder renamed = new StringBuilder();
        private final boolean[] atServer;
        private int serverNext;
        private int serverSent;
        private int answered;
        private int serverUna;

        private int clientUna;
        private int clientGot;
        private boolean bounced;

        Run(long seed) {
            random = new Random(seed);
            f = new FilterFixture(random.nextInt(), random.nextInt(), random.nextInt(), random.nextBoolean());
            int count = 1 + random.nextInt(6);
            for (int i = 0; i < count; i++) {
                String request = request();
                requests.append(request);
                accepted.append(request.replace("DR0189C1D", "PHPSESSID"));
                requestEnds.add(requests.length());
            }
            moves = random.nextBoolean();
            if (moves) {
                requests.append(ELSEWHERE).append(request());
            }
            atServer = new boolean[accepted.length()];
        }

        private String request() {
            String start = "/img/" + "a".repeat(random.nextInt(40)) + " HTTP/1.1\r\nHost: h\r\n"
                    + (random.nextBoolean() ? "Cookie: DR0189C1D=v\r\n" : "");
            int body = random.nextInt(300);
            switch (random.nextInt(3)) {
                case 0:
                    return "GET " + start + "\r\n";
                case 1:
                    return "POST " + start + "Content-Length: " + body + "\r\n\r\n" + body(body);
                default:
                    StringBuilder chunks = new StringBuilder();
                    for (int i = random.nextInt(4); i > 0; i--) {
                        int size = 1 + random.nextInt(100);
                        chunks.append(Integer.toHexString(size)).append("\r\n");
                        chunks.append(body(size)).append("\r\n");
                    }
                    return "POST " + start + "Transfer-Encoding: chunked\r\n\r\n" + chunks + "0\r\n\r\n";
            }
        }

        /** Any part of it may look like a request for somewhere else. */
        private String body(int length) {
            return ELSEWHERE.repeat(length / ELSEWHERE.length() + 1).substring(0, length);
        }

        private void respond() {
            String body = "y".repeat(random.nextInt(200));
            String cookie = random.nextBoolean() ? "Set-Cookie: PHPSESSID=v\r\n" : "";
            String interim = random.nextInt(4) == 0 ? "HTTP/1.1 103 Early\r\n\r\n" : "";
            String framed = random.nextBoolean()
                    ? "Content-Length: " + body.length() + "\r\n\r\n" + body
                    : "Transfer-Encoding: chunked\r\n\r\n"
                            + (body.isEmpty() ? "" : Integer.toHexString(body.length()) + "\r\n" + body + "\r\n")
                            + "0\r\n\r\n";
            String response = interim + "HTTP/1.1 200 OK\r\n" + cookie + framed;
            responses.append(response);
            renamed.append(response.replace("PHPSESSID", "DR0189C1D"));
            answered++;
        }

        void toTheEnd() {
            int first = 1 + random.nextInt(requestEnds.get(0));
            String head = requests.substring(0, first);
            take(f.in(Packet.tagged(MigrationTag.FRESH, f.c(1), f.w(1), head)));
            take(f.in(Packet.synAck(f.r(0), f.c(1))));
            int steps = 0;
            while (!done()) {
                if (steps++ == MAX_STEPS) {
                    throw new AssertionError("stuck: server has " + serverNext + " of " + accepted.length()
                            + ", client " + clientGot + " of " + responses.length() + ", bounced " + bounced);
                }
                step();
            }
            check(serverNext == accepted.length(), "the server has all accepted requests");
            check(clientGot == renamed.length(), "the client has all responses");
        }

        private boolean done() {
            return moves
                    ? bounced
                    : serverNext == accepted.length() && clientGot == responses.length() && allAnswered();
        }

        private boolean allAnswered() {
            return answered == requestEnds.size();
        }

        private void step() {
            switch (random.nextInt(8)) {
                case 0:
                case 1:
                    clientSends(clientUna);
                    break;
                case 2:
                case 3:
                    clientSends(random.nextInt(requests.length()));
                    break;
                case 4:
                    take(f.in(Packet.client(f.c(1) + requests.length(), f.w(1) + clientGot, "")));
                    break;
                case 5:
                    serverSends(serverSent);
                    break;
                case 6:
                    serverSends(serverUna + random.nextInt(serverSent - serverUna + 1));
                    break;
                default:
                    take(f.after(random.nextInt(60)));
            }
        }

        private void clientSends(int from) {
            int to = Math.min(requests.length(), from + 1 + random.nextInt(random.nextBoolean() ? 30 : 900));
            if (from < to) {
                take(f.in(Packet.client(f.c(1) + from, f.w(1) + clientGot, requests.substring(from, to))));
            }
        }

        private void serverSends(int from) {
            int to = Math.min(responses.length(), from + random.nextInt(random.nextBoolean() ? 30 : 900));
            serverSent = Math.max(serverSent, to);
            take(f.in(Packet.kernel(f.r(1) + from, f.c(1) + serverNext, responses.substring(from, to))));
        }

        private void take(List<Packet> packets) {
            for (Packet packet : packets) {
                if (packet.ethDestination() == Packet.SERVER) {
                    serverReceives(packet);
                } else if (packet.ethDestination() == Packet.CLIENT) {
                    clientReceives(packet);
                } else {
                    switchReceives(packet);
                }
            }
        }

        private void serverReceives(Packet packet) {
            boolean acknowledges = (packet.flags() & TcpFlags.ACK) != 0;
            check(!acknowledges || packet.ack() - f.r(1) <= serverSent, "nothing unsent is acknowledged");
            serverUna = acknowledges ? Math.max(serverUna, packet.ack() - f.r(1)) : serverUna;
            int from = packet.seq() - f.c(1);
            if (packet.payload().isEmpty()) {
                return;
            }
            int to = from + packet.payload().length();
            check(from >= 0 && to <= accepted.length(), "only accepted requests reach the server");
            for (int i = from; i < to; i++) {
                // What it has acknowledged it does not look at again.
                boolean right = accepted.charAt(i) == packet.payload().charAt(i - from);
                check(right || i < serverNext, "the server gets the client's bytes");
            }
            for (int i = from; i < to; i++) {
                atServer[i] = true;
            }
            while (serverNext < atServer.length && atServer[serverNext]) {
                serverNext++;
            }
            while (!allAnswered() && requestEnds.get(answered) <= serverNext) {
                respond();
            }
        }

        private void clientReceives(Packet packet) {
            int from = packet.seq() - f.w(1);
            int to = from + packet.payload().length();
            check(from >= 0 && to <= renamed.length(), "only responses reach the client");
            String expected = renamed.substring(from, to);
            check(expected.equals(packet.payload()), "the client gets " + expected + " but " + packet);
            if (from <= clientGot) {
                clientGot = Math.max(clientGot, to);
            }
            int acknowledged = packet.ack() - f.c(1);
            check(acknowledged <= requests.length(), "nothing unsent is acknowledged");
            clientUna = Math.max(clientUna, acknowledged);
        }

        private void switchReceives(Packet packet) {
            int from = packet.seq() - f.c(1);
            check(moves, "nothing is bounced that belongs here");
            check(bounced || from == accepted.length(), "the request that moves is bounced first");
            check(clientGot == renamed.length() && allAnswered(), "it moves after complete responses");
            check(
                    requests.substring(from, from + packet.payload().length()).equals(packet.payload()),
                    "the web switch gets the client's bytes");
            bounced = true;
        }

        private static void check(boolean right, String what) {
            if (!right) {
                throw new AssertionError("not so: " + what);
            }
        }
    }
}
