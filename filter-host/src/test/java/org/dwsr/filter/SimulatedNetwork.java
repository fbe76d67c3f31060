package org.dwsr.filter;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.PriorityQueue;
import java.util.SplittableRandom;
import org.dwsr.filter.SimulationCase.Body;
import org.dwsr.filter.SimulationCase.Connection;
import org.dwsr.filter.SimulationCase.Ending;
import org.dwsr.filter.SimulationCase.Exchange;
import org.dwsr.filter.SimulationCase.Response;
import org.dwsr.packet.ConnectionKey;
import org.dwsr.packet.IpAddress;
import org.dwsr.packet.TcpFlags;
import org.dwsr.packet.TcpOptions;
import org.dwsr.switching.FilterReport;
import org.dwsr.switching.SwitchOutput;
import org.dwsr.switching.SynCookie;
import org.dwsr.switching.WebSwitch;

/**
 * The real web switch and four real filter cores between {@link SimulatedTcp} ends: one client, four servers, a switch
 * that loses, doubles, delays and cuts.
 *
 * <p>What a server reads must be exactly what the client wrote, request by request, each once, in order and in its pool
 * and session; what the client reads must be exactly what the servers wrote. In the end no table holds anything.
 */
final class SimulatedNetwork implements SwitchOutput {
    private static final long US = 1_000;
    private static final long MS = 1_000_000;
    private static final long START_NS = 1L << 41;
    private static final long STUCK_NS = 60_000 * MS;
    /** The longest idle limit: a connection whose filter never got its first request, and whose client is gone. */
    private static final long DRAIN_NS = 8_000_000 * MS;

    private static final long LONG_NS = 150_000 * MS;

    private static final long FLOW_IDLE_NS = 30_000 * MS;
    private static final int MAX_EVENTS = 300_000;
    private static final int CLIENT_PORT = 1;
    private static final int FIRST_SERVER_PORT = 3;
    private static final int[] WRAPPING_ISNS = wrappingIsns();
    private static final byte[] NONE = new byte[0];
    private static final boolean TRACE = Boolean.getBoolean("dwsr.trace");

    private final SimulationCase what;
    private final SplittableRandom random;
    private final PriorityQueue<Event> events = new PriorityQueue<>();
    private final WebSwitch webSwitch;
    private final Server[] servers = new Server[4];
    private Client client;
    private long nowNs = START_NS;
    private long order;
    private int flow = -1;
    private long flowUsedNs;
    private long tickAtNs;
    private long reportedNs;
    private long lookAtNs;
    private int run;

    SimulatedNetwork(SimulationCase what) {
        this.what = what;
        random = new SplittableRandom(what.seed);
        webSwitch = new WebSwitch(new SynCookie(new byte[32]), this);
        webSwitch.configure(FilterFixture.CONFIG, nowNs);
        client = new Client(what.connections.get(0), true);
        for (int i = 0; i < servers.length; i++) {
            servers[i] = new Server(i);
        }
    }

    /** Initial sequence numbers that the web switch answers with one less than 16,384 before 2^32. */
    private static int[] wrappingIsns() {
        SynCookie cookie = new SynCookie(new byte[32]);
        IpAddress client = IpAddress.ofIpv4(ConnectionKey.clientAddress(FilterFixture.KEY));
        IpAddress vip = IpAddress.ofIpv4(PacketCodec.VIP);
        TcpOptions options = new TcpOptions();
        byte[] offered = SimulatedFrame.synOptions(8_960);
        options.parse(ByteBuffer.wrap(offered), 0, offered.length);
        int[] found = new int[16];
        int count = 0;
        for (int isn = -1; count < found.length; isn -= 3) {
            int wseq = cookie.issue(client.high(), client.low(), (int) FilterFixture.KEY, vip, isn, options, START_NS);
            if (wseq >>> 14 == 0x3ffff) {
                found[count++] = isn;
            }
        }
        return found;
    }

    private record Event(long atNs, long order, Runnable action) implements Comparable<Event> {
        @Override
        public int compareTo(Event other) {
            return atNs != other.atNs ? Long.compare(atNs, other.atNs) : Long.compare(order, other.order);
        }
    }

    // ---- time --------------------------------------------------------------------------------------------------

    /** Runs the case; an AssertionError tells what was wrong. */
    void run() {
        report(true);
        tickAtNs = nowNs;
        for (int i = 0; i < what.connections.size(); i++) {
            Connection connection = what.connections.get(i);
            client = new Client(connection, i == 0);
            client.tcp.connect(nowNs);
            long stuckNs = nowNs + STUCK_NS;
            while (!client.done()) {
                check(nowNs < stuckNs, "stuck");
                step(MS);
            }
            client.verify();
            long untilNs = nowNs + connection.pauseMs * MS;
            while (i + 1 < what.connections.size() && nowNs < untilNs) {
                step(MS);
            }
        }
        long endNs = nowNs;
        while (!empty()) {
            check(nowNs - endNs < DRAIN_NS, "state is left");
            long idleTickNs = nowNs - endNs < LONG_NS ? 20 * MS : 1_000 * MS;
            step(events.isEmpty() ? idleTickNs : MS);
        }
    }

    private void step(long tickNs) {
        Event event = events.peek();
        if (event != null && event.atNs() <= tickAtNs) {
            events.remove();
            nowNs = event.atNs();
            check(++run < MAX_EVENTS, "storm of packets");
            event.action().run();
            return;
        }
        nowNs = tickAtNs;
        tickAtNs = nowNs + tickNs;
        for (Server server : servers) {
            server.tick();
        }
        webSwitch.onTick(nowNs);
        client.tick();
        if (nowNs - reportedNs >= 1_000 * MS) {
            report(false);
        }
        if (flow >= 0 && nowNs - flowUsedNs >= FLOW_IDLE_NS) {
            flow = -1;
            webSwitch.onFlowRemoved(1, FilterFixture.KEY, nowNs);
        }
    }

    private void after(long ns, Runnable action) {
        events.add(new Event(nowNs + ns, order++, action));
    }

    private boolean empty() {
        if (!events.isEmpty() || flow >= 0 || nowNs < lookAtNs) {
            return false;
        }
        lookAtNs = nowNs + 250 * MS;
        return left().isEmpty();
    }

    /** What the tables still hold, in words. */
    private String left() {
        StringBuilder left = new StringBuilder();
        webSwitch.counters((name, value) -> {
            if (value != 0
                    && (name.equals("connections")
                            || name.equals("waiting_segments")
                            || name.equals("gathering_heads"))) {
                left.append(" web switch ").append(name).append(' ').append(value);
            }
        });
        for (Server server : servers) {
            server.core.counters((name, value) -> {
                if (value != 0 && name.equals("connections")) {
                    left.append(' ').append(server.name).append(" connections ").append(value);
                }
            });
            if (!server.tcp.closed()) {
                left.append(' ').append(server.name).append(" socket");
            }
        }
        return left.toString();
    }

    private void report(boolean full) {
        reportedNs = nowNs;
        for (Server server : servers) {
            server.endedCount = 0;
            server.core.report(server, false);
            webSwitch.onFilterReport(
                    new FilterReport(
                            server.name,
                            "boot",
                            full,
                            new long[0],
                            new IpAddress[0],
                            new long[0],
                            new long[0],
                            Arrays.copyOf(server.endedKeys, server.endedCount),
                            clients(server.endedKeys, server.endedCount),
                            Arrays.copyOf(server.endedSeqs, server.endedCount)),
                    nowNs);
        }
    }

    private void check(boolean right, String what) {
        if (!right) {
            StringBuilder text = new StringBuilder(what);
            text.append(String.format(" at %.3f ms; ", (nowNs - START_NS) / 1e6));
            text.append(client).append("; flow ").append(flow).append("; left:").append(left());
            for (Server server : servers) {
                text.append("; ").append(server.name).append(' ').append(server.tcp);
            }
            throw new AssertionError(text.toString());
        }
    }

    // ---- the ways between --------------------------------------------------------------------------------------

    private boolean chance(int inThousand) {
        return inThousand > 0 && random.nextInt(1_000) < inThousand;
    }

    /** The way between client and switch. */
    private void lossy(Delivery delivery, byte[] frame, boolean partial) {
        int payload = frame.length - SimulatedFrame.HEADERS;
        if (payload > 1 && !partial && frame[46] >>> 4 == 5 && chance(what.cut)) {
            int at = 1 + random.nextInt(payload - 1);
            once(delivery, piece(frame, 0, at), false);
            once(delivery, piece(frame, at, payload), false);
        } else {
            once(delivery, frame, partial);
        }
    }

    private void once(Delivery delivery, byte[] frame, boolean partial) {
        int copies = chance(what.loss) ? 0 : chance(what.duplicates) ? 2 : 1;
        for (int i = 0; i < copies; i++) {
            long delayUs = 100L + random.nextInt(chance(what.late) ? 3_000 : 100);
            byte[] own = copies == 1 ? frame : frame.clone();
            after(delayUs * US, () -> delivery.deliver(own, partial));
        }
    }

    /** A part of a frame without options, as a middlebox that cuts segments makes it. */
    private static byte[] piece(byte[] frame, int from, int to) {
        SimulatedFrame whole = new SimulatedFrame(frame, false);
        boolean last = whole.payloadLength == to;
        boolean fromClient = frame[34] != 0 || frame[35] != 80;
        return SimulatedFrame.encode(
                fromClient,
                whole.ethDestination(),
                mac(frame, 6),
                whole.seq + from,
                whole.ack,
                last ? whole.flags : whole.flags & ~(TcpFlags.FIN | TcpFlags.PSH),
                whole.window,
                NONE,
                frame,
                whole.payloadAt + from,
                to - from,
                false);
    }

    private static long mac(byte[] frame, int at) {
        long mac = 0;
        for (int i = 0; i < 6; i++) {
            mac = mac << 8 | frame[at + i] & 0xff;
        }
        return mac;
    }

    private void trace(String where, byte[] frame, boolean partial) {
        if (TRACE) {
            System.out.printf("%10.3f %s %s%n", (nowNs - START_NS) / 1e6, where, new SimulatedFrame(frame, partial));
        }
    }

    private interface Delivery {
        void deliver(byte[] frame, boolean partial);
    }

    /** A client's frame at the switch. */
    private void fromClient(byte[] frame, boolean partial) {
        trace("client to switch, flow " + flow, frame, partial);
        if (flow >= 0) {
            flowUsedNs = nowNs;
            byte[] own = frame.clone();
            System.arraycopy(new byte[] {2, 0, 0, 0, 0, (byte) (flow + 1)}, 0, own, 0, 6);
            servers[flow].fromNetwork(own);
        } else {
            packetIn(CLIENT_PORT, frame);
        }
    }

    private void fromServer(int server, byte[] frame, boolean partial) {
        if (chance(what.portLoss)) {
            return;
        }
        trace("s" + (server + 1) + " to switch", frame, partial);
        if (mac(frame, 0) == Packet.VMAC) {
            packetIn(server + FIRST_SERVER_PORT, frame);
        } else {
            lossy((bytes, unsummed) -> client.receive(bytes, unsummed), frame, partial);
        }
    }

    private void packetIn(int port, byte[] frame) {
        after(400 * US, () -> {
            new SimulatedFrame(frame, false);
            webSwitch.onPacketIn(1, port, ByteBuffer.wrap(frame), 0, frame.length, nowNs);
        });
    }

    @Override
    public void packetOut(long datapath, int port, ByteBuffer frame, int offset, int length) {
        byte[] bytes = copy(frame, offset, length);
        trace("web switch out of " + port, bytes, false);
        // Often later than a flow that was installed before it, and so behind the client's next segments.
        after((200 + random.nextInt(2) * 300) * US, () -> {
            if (port >= FIRST_SERVER_PORT) {
                servers[port - FIRST_SERVER_PORT].fromNetwork(bytes);
            } else {
                lossy((own, partial) -> client.receive(own, partial), bytes, false);
            }
        });
    }

    @Override
    public void installConnection(long datapath, long connectionKey, IpAddress client, int serverIndex) {
        after(100 * US, () -> {
            flow = serverIndex;
            flowUsedNs = nowNs;
        });
    }

    @Override
    public void removeConnection(long datapath, long connectionKey, IpAddress client) {
        after(100 * US, () -> flow = -1);
    }

    @Override
    public void installReturn(long datapath, long clientMac, boolean ipv6, int port) {}

    @Override
    public void removeReturn(long datapath, long clientMac, boolean ipv6) {}

    private static IpAddress[] clients(long[] keys, int count) {
        IpAddress[] clients = new IpAddress[count];
        for (int i = 0; i < count; i++) {
            clients[i] = IpAddress.ofIpv4(ConnectionKey.clientAddress(keys[i]));
        }
        return clients;
    }

    private static byte[] copy(ByteBuffer frame, int offset, int length) {
        byte[] bytes = new byte[length];
        frame.get(offset, bytes);
        return bytes;
    }

    // ---- requests and responses --------------------------------------------------------------------------------

    /** Some text that differs from byte to byte and from case to case. */
    private static void fill(StringBuilder text, int count, int salt) {
        for (int i = 0; i < count; i++) {
            text.append((char) ('a' + (salt * 7 + i * 11 + i / 26) % 26));
        }
    }

    private static void chunks(StringBuilder text, int count, int salt) {
        int left = count;
        int size = 1 + salt % 700;
        while (left > 0) {
            int chunk = Math.min(left, size);
            text.append(Integer.toHexString(chunk)).append("\r\n");
            fill(text, chunk, salt + left);
            text.append("\r\n");
            left -= chunk;
            size = size * 2 % 3_001 + 1;
        }
        text.append("0\r\n\r\n");
    }

    private static String poolId(boolean images) {
        return images ? "018" : "020";
    }

    private static boolean serves(int server, boolean images) {
        return images == server < 2;
    }

    /** The request as the client writes it, or as the server of that index must read it (-1 for the client). */
    private static String request(Exchange exchange, int id, int reader) {
        StringBuilder text = new StringBuilder();
        boolean head = exchange.response == Response.HEAD;
        text.append(exchange.body != Body.NONE ? "POST " : head ? "HEAD " : "GET ");
        text.append(exchange.images ? "/img/a?" : "/a.php?").append(1_000 + id);
        text.append(" HTTP/1.1\r\nHost: www.example.org\r\n");
        if (exchange.session >= 0) {
            String tagged = "DR" + poolId(exchange.session < 2) + "9C" + (exchange.session + 1) + "D";
            boolean mine = reader == exchange.session && serves(reader, exchange.images);
            text.append("Cookie: a=b; ").append(mine ? "PHPSESSID" : tagged).append("=0123456789; c=d\r\n");
        }
        for (int left = exchange.padding; left > 0; left -= 1_000) {
            text.append("X-Padding: ");
            fill(text, Math.min(left, 1_000), id);
            text.append("\r\n");
        }
        if (exchange.body == Body.LENGTH) {
            text.append("Content-Length: ").append(exchange.bodyBytes).append("\r\n\r\n");
            fill(text, exchange.bodyBytes, id + 3);
        } else if (exchange.body == Body.CHUNKED) {
            text.append("Transfer-Encoding: chunked\r\n\r\n");
            chunks(text, exchange.bodyBytes, id + 3);
        } else {
            text.append("\r\n");
        }
        return text.toString();
    }

    /** The response as the server writes it, or as the client must read it. */
    private static String response(
            Exchange exchange, int id, int server, boolean asRead, boolean closes, boolean byFin) {
        StringBuilder text = new StringBuilder();
        if (exchange.response == Response.INTERIM) {
            text.append("HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n");
        }
        boolean none = exchange.response == Response.NO_CONTENT && !byFin;
        text.append(none ? "HTTP/1.1 204 No Content\r\n" : "HTTP/1.1 200 OK\r\n");
        text.append("X-Answer: s").append(server + 1).append(' ').append(id).append("\r\n");
        if (exchange.setsCookie) {
            String name = asRead ? "DR" + poolId(exchange.images) + "9C" + (server + 1) + "D" : "PHPSESSID";
            text.append("Set-Cookie: ").append(name).append("=0123456789; path=/\r\n");
        }
        if (closes) {
            text.append("Connection: close\r\n");
        }
        boolean bodiless = exchange.response == Response.HEAD && exchange.body == Body.NONE;
        if (none) {
            text.append("\r\n");
        } else if (byFin) {
            text.append("\r\n");
            fill(text, bodiless ? 0 : exchange.responseBytes, id + server);
        } else if (exchange.response == Response.CHUNKED) {
            text.append("Transfer-Encoding: chunked\r\n\r\n");
            chunks(text, exchange.responseBytes, id + server);
        } else {
            text.append("Content-Length: ").append(exchange.responseBytes).append("\r\n\r\n");
            fill(text, bodiless ? 0 : exchange.responseBytes, id + server);
        }
        return text.toString();
    }

    private static byte[] latin(String text) {
        return text.getBytes(StandardCharsets.ISO_8859_1);
    }

    // ---- a server ----------------------------------------------------------------------------------------------

    /** A filter core, and behind it a server's TCP for one connection and its application. */
    private final class Server implements FilterOutput, PacketCore.ReportSink {
        private static final long IDLE_NS = 5_000 * MS;

        private final String name;
        private final int index;
        private final FilterCore core;
        private final long[] endedKeys = new long[16];
        private final int[] endedSeqs = new int[16];
        private int endedCount;
        private SimulatedTcp tcp = new SimulatedTcp(this::emit, random, 0, 9, what.serverSegment, true, false);
        private boolean timeWait;
        private final int timeWaitNumber;

        private Client reading = client;
        private int read;
        private byte[] request = NONE;
        private int requestId;
        private int matched;
        private long usedNs;
        private boolean ended;
        private final ArrayDeque<Runnable> writes = new ArrayDeque<>();
        private long writeAtNs;

        Server(int index) {
            this.index = index;
            name = "s" + (index + 1);
            core = new FilterCore(name, this);
            core.configure(FilterFixture.CONFIG, nowNs);
            timeWait = (what.timeWait >> index & 1) != 0;
            timeWaitNumber = random.nextInt();
            tcp.reset = true;
        }

        @Override
        public void live(long connectionKey, long clientHigh, long clientLow, long tagMac, long clientMac) {}

        @Override
        public void ended(long connectionKey, long clientHigh, long clientLow, int seq) {
            endedKeys[endedCount] = connectionKey;
            endedSeqs[endedCount++] = seq;
        }

        void fromNetwork(byte[] frame) {
            if (!chance(what.portLoss)) {
                trace("at filter of " + name, frame, false);
                apply(core.onNetworkFrame(ByteBuffer.wrap(frame), 0, frame.length, false, nowNs), true, frame, false);
            }
        }

        private void apply(int verdict, boolean fromNetwork, byte[] frame, boolean partial) {
            if (verdict != PacketCore.DROP) {
                if (fromNetwork == (verdict == PacketCore.RETURN)) {
                    fromServer(index, frame, partial);
                } else {
                    after(1, () -> kernel(new SimulatedFrame(frame, partial)));
                }
            }
        }

        @Override
        public void toHost(ByteBuffer frame, int offset, int length) {
            byte[] bytes = copy(frame, offset, length);
            after(1, () -> kernel(new SimulatedFrame(bytes, false)));
        }

        @Override
        public void toNetwork(ByteBuffer frame, int offset, int length) {
            fromServer(index, copy(frame, offset, length), false);
        }

        private void kernel(SimulatedFrame frame) {
            trace("at " + name, frame.bytes, frame.partial);
            boolean syn = frame.has(TcpFlags.SYN);
            if (timeWait) {
                if (frame.has(TcpFlags.RST)) {
                    timeWait = frame.seq != timeWaitNumber;
                } else {
                    emit(timeWaitNumber + 77, timeWaitNumber, TcpFlags.ACK, 100, NONE, NONE, 0, 0);
                }
            } else if (what.refusing == index) {
                if (syn) {
                    emit(0, frame.seq + 1, TcpFlags.RST | TcpFlags.ACK, 0, NONE, NONE, 0, 0);
                }
            } else if (syn && tcp.closed()) {
                open(frame);
            } else {
                tcp.receive(frame, nowNs);
                application();
            }
        }

        private void open(SimulatedFrame frame) {
            int iss = what.serverIssWraps ? -random.nextInt(8_000) : random.nextInt();
            tcp = new SimulatedTcp(this::emit, random, iss, 9, what.serverSegment, true, false);
            reading = client;
            read = 0;
            request = NONE;
            matched = 0;
            ended = false;
            writes.clear();
            usedNs = nowNs;
            tcp.accept(frame.seq, frame.window, frame.windowScale);
        }

        private void emit(
                int seq, int ack, int flags, int window, byte[] options, byte[] data, int offset, int length) {
            boolean partial = random.nextBoolean();
            byte[] frame = SimulatedFrame.encode(
                    false,
                    Packet.CLIENT,
                    Packet.SERVER + index,
                    seq,
                    ack,
                    flags,
                    window,
                    options,
                    data,
                    offset,
                    length,
                    partial);
            apply(core.onHostFrame(ByteBuffer.wrap(frame), 0, frame.length, partial, nowNs), false, frame, partial);
        }

        void tick() {
            core.onTick(nowNs);
            while (!writes.isEmpty() && nowNs >= writeAtNs && !tcp.reset) {
                writes.remove().run();
                writeAtNs = nowNs + random.nextInt(3) * MS;
            }
            boolean over = tcp.peerClosed() && read == tcp.received || nowNs - usedNs >= IDLE_NS;
            if (writes.isEmpty() && over && tcp.established && !tcp.closing()) {
                tcp.close();
            }
            tcp.tick(nowNs);
        }

        /** Reads requests, byte by byte against what the client wrote. */
        private void application() {
            if (tcp.reset || tcp.closing() && !ended && tcp.received == read && !tcp.peerClosed()) {
                return;
            }
            if (ended && tcp.received > read) {
                if (tcp.closing()) {
                    // A closed socket answers more data with RST.
                    tcp.abort();
                }
                return;
            }
            while (read < tcp.received && !ended) {
                usedNs = nowNs;
                if (request.length == 0 && !recognise()) {
                    return;
                }
                while (matched < request.length && read < tcp.received) {
                    if (tcp.in[read] != request[matched]) {
                        check(false, name + " reads another byte at " + matched + " of request " + requestId);
                    }
                    read++;
                    matched++;
                }
                if (matched == request.length) {
                    request = NONE;
                    matched = 0;
                    execute(requestId);
                }
            }
        }

        private boolean recognise() {
            int at = read;
            while (at < tcp.received && tcp.in[at] != '?' && at - read < 20) {
                at++;
            }
            if (at + 5 > tcp.received) {
                return false;
            }
            int id = 0;
            for (int i = 1; i <= 4; i++) {
                id = id * 10 + tcp.in[at + i] - '0';
            }
            requestId = id - 1_000;
            check(
                    requestId >= 0 && requestId < reading.connection.exchanges.size(),
                    name + " reads what is no request");
            check(
                    serves(index, reading.connection.exchanges.get(requestId).images),
                    name + " gets request " + requestId + " of another pool");
            request = latin(request(reading.connection.exchanges.get(requestId), requestId, index));
            return true;
        }

        private void execute(int id) {
            Exchange exchange = reading.connection.exchanges.get(id);
            check(reading.executed == id, name + " runs request " + id + " after " + reading.executed + " others");
            if (exchange.session >= 0
                    && serves(exchange.session, exchange.images)
                    && what.refusing != exchange.session) {
                check(index == exchange.session, name + " gets request " + id + " of another server's session");
            }
            reading.executed++;
            Ending ending = reading.connection.ending;
            boolean last = id == reading.connection.endsAt;
            boolean byFin = last && ending == Ending.SERVER_ENDS_BODY_BY_FIN;
            boolean closes = last && ending == Ending.SERVER_CLOSES;
            byte[] written = latin(response(exchange, id, index, false, closes, byFin));
            reading.expect(latin(response(exchange, id, index, true, closes, byFin)));
            writeAtNs = Math.max(writeAtNs, nowNs + exchange.thinkMs * MS);
            SimulatedTcp own = tcp;
            boolean dies = last && ending == Ending.SERVER_RESETS;
            int at = 0;
            int pieces = random.nextInt(3);
            for (int i = 0; i <= pieces; i++) {
                int to = i == pieces ? written.length : at + random.nextInt(written.length - at + 1);
                byte[] piece = Arrays.copyOfRange(written, at, to);
                writes.add(() -> own.write(piece));
                at = to;
                if (dies && i == 0) {
                    writes.add(own::abort);
                }
            }
            boolean fin =
                    last && (ending == Ending.SERVER_CLOSES_EARLY || ending == Ending.BOTH_CLOSE) || closes || byFin;
            ended = fin || dies;
            if (fin) {
                writes.add(own::close);
            } else if (last && ending == Ending.SERVER_TIMES_OUT) {
                after((exchange.thinkMs + 5 + random.nextInt(300)) * MS, () -> {
                    if (tcp == own) {
                        writes.add(own::close);
                    }
                });
            }
        }
    }

    // ---- the client --------------------------------------------------------------------------------------------

    /** A client's TCP with some requests to send, as many at a time as it likes. */
    private final class Client {
        private static final long PATIENCE_NS = 4_000 * MS;

        private final Connection connection;
        private final SimulatedTcp tcp;
        private byte[] expected = new byte[1_024];
        private int expectedLength;
        private final int[] ends;
        private int responses;
        private int answered;
        private int read;
        private int asked;
        private int executed;
        private long progressNs;
        private long probedNs;
        private int resetsAt = -1;

        Client(Connection connection, boolean strict) {
            this.connection = connection;
            boolean wraps = connection.wrappingCookie;
            int isn = wraps ? WRAPPING_ISNS[random.nextInt(WRAPPING_ISNS.length)] : connection.isn;
            int scale = wraps ? TcpOptions.NO_WINDOW_SCALE : 7;
            tcp = new SimulatedTcp(this::emit, random, isn, scale, what.clientSegment, false, strict);
            ends = new int[connection.exchanges.size()];
            progressNs = nowNs;
        }

        private void emit(
                int seq, int ack, int flags, int window, byte[] options, byte[] data, int offset, int length) {
            byte[] frame = SimulatedFrame.encode(
                    true, Packet.VMAC, Packet.CLIENT, seq, ack, flags, window, options, data, offset, length, false);
            lossy(SimulatedNetwork.this::fromClient, frame, false);
        }

        void expect(byte[] response) {
            if (expectedLength + response.length > expected.length) {
                expected = Arrays.copyOf(expected, Math.max(expected.length * 2, expectedLength + response.length));
            }
            System.arraycopy(response, 0, expected, expectedLength, response.length);
            expectedLength += response.length;
            ends[responses++] = expectedLength;
        }

        void receive(byte[] bytes, boolean partial) {
            trace("at client", bytes, partial);
            tcp.receive(new SimulatedFrame(bytes, partial), nowNs);
            check(tcp.received <= expectedLength, "the client reads more than the servers wrote");
            if (read < tcp.received) {
                int differs = Arrays.mismatch(tcp.in, read, tcp.received, expected, read, tcp.received);
                check(differs < 0, "the client reads another byte at " + (read + differs));
                progressNs = nowNs;
            }
            read = tcp.received;
            while (answered < responses && ends[answered] <= read) {
                answered++;
            }
        }

        void tick() {
            int count = connection.exchanges.size();
            Ending ending = connection.ending;
            boolean mayAsk = tcp.established && !tcp.reset && !tcp.closing() && !tcp.peerClosed();
            while (mayAsk && asked < count && asked < answered + connection.depth) {
                byte[] request = latin(request(connection.exchanges.get(asked), asked, -1));
                if (ending == Ending.CLIENT_RESETS && asked == connection.endsAt) {
                    resetsAt = expectedLength + random.nextInt(800);
                    progressNs = nowNs;
                }
                tcp.write(request);
                asked++;
            }
            boolean all = answered == count;
            if (resetsAt >= 0 && !tcp.reset && (read >= resetsAt || nowNs - progressNs > 30 * MS)) {
                tcp.abort();
                return;
            }
            if (mayAsk && (all && closesFirst(ending) || asked == count && ending == Ending.CLIENT_HALF_CLOSES)) {
                tcp.close();
            }
            if (tcp.peerClosed() && !tcp.closing()) {
                tcp.close();
            }
            if (connection.probes && mayAsk && nowNs - probedNs > 40 * MS) {
                probedNs = nowNs;
                tcp.probe();
            }
            if (!ending.complete && !tcp.reset && nowNs - progressNs > PATIENCE_NS) {
                tcp.abort();
            }
            tcp.tick(nowNs);
        }

        private boolean closesFirst(Ending ending) {
            return ending != Ending.SERVER_CLOSES
                    && ending != Ending.SERVER_ENDS_BODY_BY_FIN
                    && ending != Ending.SERVER_TIMES_OUT;
        }

        boolean done() {
            return tcp.closed();
        }

        void verify() {
            if (connection.ending.complete) {
                check(!tcp.reset, "the client is reset");
                check(answered == connection.exchanges.size(), "the connection ends early");
                check(tcp.received == expectedLength, "the last response is cut off");
            }
        }

        @Override
        public String toString() {
            return String.format(
                    "client asked %d of %d, %d executed, %d answered, %s",
                    asked, connection.exchanges.size(), executed, answered, tcp);
        }
    }
}
