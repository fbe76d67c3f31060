package org.dwsr.filter;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/**
 * What happens in one simulated network: derived from a seed, and then only data, so that a failing case can be made
 * smaller piece by piece and run again.
 */
final class SimulationCase implements Cloneable {
    /** How a connection ends. */
    enum Ending {
        /** The client closes when it has every response. */
        CLIENT_CLOSES(true),
        /** The client's FIN follows its last request, and the response still comes. */
        CLIENT_HALF_CLOSES(true),
        /** The last response says {@code Connection: close}, and the server closes. */
        SERVER_CLOSES(true),
        /** The last response has no length and ends with the server's FIN. */
        SERVER_ENDS_BODY_BY_FIN(true),
        /** The server closes some time after the last response. */
        SERVER_TIMES_OUT(true),
        BOTH_CLOSE(true),
        /** The client resets in the middle of a response or an upload. */
        CLIENT_RESETS(false),
        /** The server's process dies in the middle of a response. */
        SERVER_RESETS(false),
        /** A server's keep-alive FIN, while the client may send the next request. */
        SERVER_CLOSES_EARLY(false);

        /** Whether every request is answered in full. */
        final boolean complete;

        Ending(boolean complete) {
            this.complete = complete;
        }
    }

    /** How a request's body is framed. */
    enum Body {
        NONE,
        LENGTH,
        CHUNKED
    }

    /** How a response is framed. */
    enum Response {
        LENGTH,
        CHUNKED,
        NO_CONTENT,
        HEAD,
        INTERIM
    }

    /** One request and its response. */
    static final class Exchange implements Cloneable {
        boolean images;
        Body body = Body.NONE;
        int bodyBytes;
        int padding;
        /** The server (0 to 3) that the session cookie names, -1 without one. */
        int session = -1;

        Response response = Response.LENGTH;
        int responseBytes;
        boolean setsCookie;
        int thinkMs;

        @Override
        public Exchange clone() {
            try {
                return (Exchange) super.clone();
            } catch (CloneNotSupportedException e) {
                throw new AssertionError(e);
            }
        }

        @Override
        public String toString() {
            return String.format(
                    "%s %s %d+%d session %d -> %s %d%s after %d ms",
                    images ? "img" : "php",
                    body,
                    padding,
                    bodyBytes,
                    session,
                    response,
                    responseBytes,
                    setsCookie ? " Set-Cookie" : "",
                    thinkMs);
        }
    }

    /** One connection; several of a case use the same ports one after the other. */
    static final class Connection implements Cloneable {
        int isn;
        /** Whether the web switch's initial sequence number is to lie just before 2^32. */
        boolean wrappingCookie;

        int depth = 1;
        Ending ending = Ending.CLIENT_CLOSES;
        /** The exchange in which it ends, where that can be any. */
        int endsAt;

        boolean probes;
        int pauseMs;
        List<Exchange> exchanges = new ArrayList<>();

        @Override
        public Connection clone() {
            try {
                Connection copy = (Connection) super.clone();
                copy.exchanges = new ArrayList<>();
                for (Exchange exchange : exchanges) {
                    copy.exchanges.add(exchange.clone());
                }
                return copy;
            } catch (CloneNotSupportedException e) {
                throw new AssertionError(e);
            }
        }

        @Override
        public String toString() {
            StringBuilder text = new StringBuilder(String.format(
                    "connection isn %d%s, %d at a time, %s at %d%s, after %d ms",
                    isn & 0xffff_ffffL,
                    wrappingCookie ? " wrapping cookie" : "",
                    depth,
                    ending,
                    endsAt,
                    probes ? ", keep-alive probes" : "",
                    pauseMs));
            for (Exchange exchange : exchanges) {
                text.append("\n    ").append(exchange);
            }
            return text.toString();
        }
    }

    long seed;
    /** Chances in a thousand, per frame between client and switch. */
    int loss;

    int duplicates;
    int late;
    int cut;
    /** Loss in a thousand on the filters' own ports, in both directions. */
    int portLoss;
    /** The longest segment the client's side sends; above an MSS as after coalescing on receive. */
    int clientSegment = 1_448;

    int serverSegment = 1_448;
    boolean serverIssWraps;
    /** A server (0 to 3) that refuses every connection, or -1. */
    int refusing = -1;
    /** Servers (bits) where a connection of the same ports is in TIME_WAIT. */
    int timeWait;

    List<Connection> connections = new ArrayList<>();

    static SimulationCase of(long seed) {
        SplittableRandom random = new SplittableRandom(seed * 0x9e37_79b9_7f4a_7c15L);
        SimulationCase made = new SimulationCase();
        made.seed = seed;
        boolean lossless = random.nextInt(8) == 0;
        made.loss = lossless ? 0 : random.nextInt(80);
        made.duplicates = random.nextInt(60);
        made.late = random.nextInt(150);
        made.cut = random.nextInt(100);
        made.portLoss = random.nextInt(3) == 0 ? random.nextInt(40) : 0;
        made.clientSegment = random.nextInt(8) == 0 ? 2_896 : 1_448;
        made.serverSegment = random.nextBoolean() ? 1_448 : 8_000;
        made.serverIssWraps = random.nextBoolean();
        made.refusing = random.nextInt(8) == 0 ? random.nextInt(4) : -1;
        made.timeWait = random.nextInt(4) == 0 ? random.nextInt(16) : 0;
        // A silence that is lost leaves a silent server for 15 s, whose connection cannot be told from the next one on
        // the same ports; so not both.
        int connections = made.portLoss == 0 && random.nextInt(3) == 0 ? 2 + random.nextInt(2) : 1;
        int isn = random.nextInt(3) == 0 ? -random.nextInt(30_000) : random.nextInt();
        for (int i = 0; i < connections; i++) {
            Connection connection = connection(random);
            connection.isn = isn;
            connection.wrappingCookie = i == 0 && random.nextInt(8) == 0;
            made.connections.add(connection);
            // As Linux picks it (RFC 6528): beyond the last connection's numbers.
            isn += 200_000 + random.nextInt(1 << (8 + random.nextInt(22)));
        }
        return made;
    }

    private static Connection connection(SplittableRandom random) {
        Connection made = new Connection();
        made.depth = 1 + random.nextInt(4);
        Ending[] endings = Ending.values();
        made.ending = random.nextInt(3) == 0 ? Ending.CLIENT_CLOSES : endings[random.nextInt(endings.length)];
        made.probes = random.nextInt(8) == 0;
        made.pauseMs = 4 + random.nextInt(random.nextBoolean() ? 20 : 2_000);
        int exchanges = 1 + random.nextInt(random.nextInt(4) == 0 ? 12 : 5);
        for (int i = 0; i < exchanges; i++) {
            made.exchanges.add(exchange(random));
        }
        made.endsAt = made.ending.complete ? exchanges - 1 : random.nextInt(exchanges);
        return made;
    }

    private static Exchange exchange(SplittableRandom random) {
        Exchange made = new Exchange();
        made.images = random.nextBoolean();
        Body[] bodies = Body.values();
        made.body = random.nextInt(2) == 0 ? Body.NONE : bodies[random.nextInt(bodies.length)];
        made.bodyBytes = random.nextInt(random.nextInt(8) == 0 ? 12_000 : 1_500);
        made.padding = random.nextInt(8) == 0 ? random.nextInt(10_000) : random.nextInt(100);
        made.session = random.nextInt(4) == 0 ? random.nextInt(4) : -1;
        Response[] responses = Response.values();
        made.response = random.nextInt(2) == 0 ? Response.LENGTH : responses[random.nextInt(responses.length)];
        made.responseBytes = random.nextInt(random.nextInt(8) == 0 ? 20_000 : 2_000);
        made.setsCookie = random.nextInt(4) == 0;
        made.thinkMs = random.nextInt(3) == 0 ? random.nextInt(60) : random.nextInt(3);
        return made;
    }

    /** Simpler cases, one change each; whether they still fail is to be tried. */
    List<SimulationCase> simpler() {
        List<SimulationCase> list = new ArrayList<>();
        for (int i = 0; connections.size() > 1 && i < connections.size(); i++) {
            SimulationCase less = clone();
            less.connections.remove(i);
            list.add(less);
        }
        for (int i = 0; i < connections.size(); i++) {
            for (int j = 0;
                    connections.get(i).exchanges.size() > 1
                            && j < connections.get(i).exchanges.size();
                    j++) {
                SimulationCase less = clone();
                Connection connection = less.connections.get(i);
                connection.exchanges.remove(j);
                connection.endsAt = Math.min(connection.endsAt, connection.exchanges.size() - 1);
                if (connection.ending.complete) {
                    connection.endsAt = connection.exchanges.size() - 1;
                }
                list.add(less);
            }
        }
        simplerNetworks(list);
        for (int i = 0; i < connections.size(); i++) {
            simplerConnections(list, i);
        }
        return list;
    }

    private void simplerNetworks(List<SimulationCase> list) {
        for (int field = 0; field < 9; field++) {
            SimulationCase less = clone();
            switch (field) {
                case 0:
                    less.loss = 0;
                    break;
                case 1:
                    less.duplicates = 0;
                    break;
                case 2:
                    less.late = 0;
                    break;
                case 3:
                    less.cut = 0;
                    break;
                case 4:
                    less.portLoss = 0;
                    break;
                case 5:
                    less.refusing = -1;
                    break;
                case 6:
                    less.timeWait = 0;
                    break;
                case 7:
                    less.serverIssWraps = false;
                    break;
                default:
                    less.serverSegment = 1_448;
                    less.clientSegment = 1_448;
            }
            if (!less.toString().equals(toString())) {
                list.add(less);
            }
        }
    }

    private void simplerConnections(List<SimulationCase> list, int i) {
        for (int field = 0; field < 8; field++) {
            SimulationCase less = clone();
            Connection connection = less.connections.get(i);
            for (Exchange exchange : connection.exchanges) {
                switch (field) {
                    case 0:
                        exchange.session = -1;
                        break;
                    case 1:
                        exchange.setsCookie = false;
                        break;
                    case 2:
                        exchange.body = Body.NONE;
                        break;
                    case 3:
                        exchange.response = Response.LENGTH;
                        break;
                    case 4:
                        exchange.padding = 0;
                        exchange.bodyBytes = Math.min(exchange.bodyBytes, 10);
                        exchange.responseBytes = Math.min(exchange.responseBytes, 10);
                        break;
                    case 5:
                        exchange.thinkMs = 0;
                        break;
                    default:
                }
            }
            if (field == 6) {
                connection.depth = 1;
                connection.probes = false;
                connection.wrappingCookie = false;
            } else if (field == 7) {
                connection.ending = Ending.CLIENT_CLOSES;
                connection.endsAt = connection.exchanges.size() - 1;
            }
            if (!less.toString().equals(toString())) {
                list.add(less);
            }
        }
    }

    @Override
    public SimulationCase clone() {
        try {
            SimulationCase copy = (SimulationCase) super.clone();
            copy.connections = new ArrayList<>();
            for (Connection connection : connections) {
                copy.connections.add(connection.clone());
            }
            return copy;
        } catch (CloneNotSupportedException e) {
            throw new AssertionError(e);
        }
    }

    @Override
    public String toString() {
        StringBuilder text = new StringBuilder(String.format(
                "of 1000 frames %d lost, %d doubled, %d late, %d cut, %d lost at the filters; segments up to %d and %d;"
                        + " server ISN %s; refusing server %d; TIME_WAIT %s",
                loss,
                duplicates,
                late,
                cut,
                portLoss,
                clientSegment,
                serverSegment,
                serverIssWraps ? "near 2^32" : "anywhere",
                refusing,
                Integer.toBinaryString(timeWait)));
        for (Connection connection : connections) {
            text.append("\n  ").append(connection);
        }
        return text.toString();
    }
}
