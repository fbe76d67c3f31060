package org.dwsr.filter;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.PriorityQueue;
import java.util.Random;
import org.dwsr.config.DwsrConfig;
import org.dwsr.packet.ConnectionKey;
import org.dwsr.packet.FrameFlyweight;
import org.dwsr.packet.IpAddress;
import org.dwsr.packet.SegmentBuilder;
import org.dwsr.packet.TcpFlags;
import org.dwsr.packet.TcpSeq;
import org.dwsr.switching.FilterReport;
import org.dwsr.switching.SwitchOutput;
import org.dwsr.switching.SynCookie;
import org.dwsr.switching.WebSwitch;
import org.junit.jupiter.api.Test;

/**
 * The real web switch and four real filter cores around models of a client, a switch and the servers' TCP, with losses,
 * duplicates and reordering between client and switch: every request runs once, in the right pool, in order.
 */
class PreallocateSimulationTest {
    private static final int RUNS = 100;
    private static final long US = 1_000;
    private static final long MS = 1_000_000;

    @Test
    void shouldRunEveryRequestOnceInTheRightPoolWhenServersAreGuessed() {
        run(FilterFixture.PREALLOCATING);
    }

    private static void run(DwsrConfig config) {
        long start = Long.getLong("dwsr.seed", 1);
        for (int i = 0; i < RUNS; i++) {
            try {
                new Network(config, start + i).run();
            } catch (AssertionError | RuntimeException e) {
                throw new AssertionError("seed " + (start + i), e);
            }
        }
    }

    private record Event(long atNs, long order, Runnable action) implements Comparable<Event> {
        @Override
        public int compareTo(Event other) {
            return atNs != other.atNs ? Long.compare(atNs, other.atNs) : Long.compare(order, other.order);
        }
    }

    private static final class Network implements SwitchOutput {
        final Random random;
        final PriorityQueue<Event> events = new PriorityQueue<>();
        final WebSwitch webSwitch;
        final Server[] servers = new Server[4];
        final Client client;
        final List<String> executed = new ArrayList<>();
        long nowNs = 1L << 41;
        long order;
        int flow = -1;

        Network(DwsrConfig config, long seed) {
            random = new Random(seed);
            webSwitch = new WebSwitch(new SynCookie(new byte[32]), this);
            webSwitch.configure(config, nowNs);
            for (int i = 0; i < servers.length; i++) {
                servers[i] = new Server(this, i);
            }
            client = new Client(this);
        }

        void run() {
            long endNs = nowNs + 60_000 * MS;
            report(true);
            tick();
            client.start();
            while (!client.done()) {
                Event event = events.remove();
                nowNs = event.atNs();
                if (nowNs > endNs) {
                    throw new AssertionError("stuck: " + client + ", executed " + executed);
                }
                event.action().run();
            }
            assertThat(executed).doesNotHaveDuplicates().hasSize(client.requests.size());
            for (int i = 0; i < client.requests.size(); i++) {
                String pool = client.requests.get(i).contains("/img/") ? "s1 s2" : "s3 s4";
                String answer = client.answer(i);
                assertThat(answer).endsWith(" " + i + ".");
                assertThat(pool).contains(answer.substring(0, 2));
            }
        }

        void after(long ns, Runnable action) {
            events.add(new Event(nowNs + ns, order++, action));
        }

        private void tick() {
            for (Server server : servers) {
                server.tick();
            }
            webSwitch.onTick(nowNs);
            client.tick();
            if (nowNs / MS % 50 == 0) {
                report(false);
            }
            after(MS, this::tick);
        }

        private void report(boolean full) {
            for (Server server : servers) {
                List<Long> keys = new ArrayList<>();
                List<Integer> seqs = new ArrayList<>();
                List<Long> live = new ArrayList<>();
                List<Long> tags = new ArrayList<>();
                List<IpAddress> liveClients = new ArrayList<>();
                List<IpAddress> clients = new ArrayList<>();
                server.core.report(
                        new PacketCore.ReportSink() {
                            @Override
                            public void live(
                                    long connectionKey, long clientHigh, long clientLow, long tagMac, long clientMac) {
                                live.add(connectionKey);
                                liveClients.add(IpAddress.of(clientHigh, clientLow));
                                tags.add(tagMac);
                            }

                            @Override
                            public void ended(long connectionKey, long clientHigh, long clientLow, int seq) {
                                keys.add(connectionKey);
                                clients.add(IpAddress.of(clientHigh, clientLow));
                                seqs.add(seq);
                            }
                        },
                        false);
                webSwitch.onFilterReport(
                        new FilterReport(
                                server.name,
                                "boot",
                                full,
                                live.stream().mapToLong(Long::longValue).toArray(),
                                liveClients.toArray(new IpAddress[0]),
                                tags.stream().mapToLong(Long::longValue).toArray(),
                                live.stream().mapToLong(key -> Packet.CLIENT).toArray(),
                                keys.stream().mapToLong(Long::longValue).toArray(),
                                clients.toArray(new IpAddress[0]),
                                seqs.stream().mapToInt(Integer::intValue).toArray()),
                        nowNs);
            }
        }

        /** The lossy way between client and switch. */
        void lossy(Runnable delivery) {
            int copies = random.nextInt(20) == 0 ? 0 : random.nextInt(20) == 0 ? 2 : 1;
            for (int i = 0; i < copies; i++) {
                after((100 + random.nextInt(random.nextInt(8) == 0 ? 3_000 : 100)) * US, delivery);
            }
        }

        void fromClient(byte[] frame) {
            if (flow >= 0) {
                System.arraycopy(macOf(flow), 0, frame, 0, 6);
                servers[flow].fromNetwork(frame);
            } else {
                packetIn(1, frame);
            }
        }

        private static byte[] macOf(int server) {
            return new byte[] {2, 0, 0, 0, 0, (byte) (server + 1)};
        }

        void fromServer(int server, byte[] frame) {
            if (new FrameReader(frame).ethDestination() == Packet.VMAC) {
                packetIn(server + 3, frame);
            } else {
                lossy(() -> client.receive(frame));
            }
        }

        private void packetIn(int port, byte[] frame) {
            after(400 * US, () -> webSwitch.onPacketIn(1, port, ByteBuffer.wrap(frame), 0, frame.length, nowNs));
        }

        @Override
        public void packetOut(long datapath, int port, ByteBuffer frame, int offset, int length) {
            byte[] bytes = copy(frame, offset, length);
            // Often later than a flow that was installed before it, and so behind the client's next segments.
            after((200 + (nowNs / 7 % 2) * 300) * US, () -> {
                if (port >= 3) {
                    servers[port - 3].fromNetwork(bytes);
                } else {
                    lossy(() -> client.receive(bytes));
                }
            });
        }

        @Override
        public void installConnection(long datapath, long connectionKey, IpAddress client, int serverIndex) {
            after(100 * US, () -> flow = serverIndex);
        }

        @Override
        public void installReturn(long datapath, long clientMac, boolean ipv6, int port) {}

        @Override
        public void removeReturn(long datapath, long clientMac, boolean ipv6) {}

        @Override
        public void removeConnection(long datapath, long connectionKey, IpAddress client) {
            after(100 * US, () -> flow = -1);
        }
    }

    private static byte[] copy(ByteBuffer frame, int offset, int length) {
        byte[] bytes = new byte[length];
        frame.get(offset, bytes);
        return bytes;
    }

    private static final class FrameReader {
        final FrameFlyweight frame = new FrameFlyweight();

        FrameReader(byte[] bytes) {
            assertThat(frame.wrap(ByteBuffer.wrap(bytes), 0, bytes.length, false))
                    .isEqualTo(FrameFlyweight.Kind.TCP);
            assertThat(frame.tcpChecksumValid()).isTrue();
        }

        long ethDestination() {
            return frame.ethDestination();
        }

        String payload() {
            byte[] bytes = new byte[frame.payloadLength()];
            frame.buffer().get(frame.payloadOffset(), bytes);
            return new String(bytes, StandardCharsets.ISO_8859_1);
        }
    }

    /** One direction's bytes as they arrive, by offset. */
    private static final class Arrivals {
        private final byte[] bytes = new byte[1 << 18];
        private final boolean[] there = new boolean[1 << 18];
        private int next;

        void put(int offset, String payload) {
            for (int i = Math.max(0, -offset); i < payload.length(); i++) {
                bytes[offset + i] = (byte) payload.charAt(i);
                there[offset + i] = true;
            }
            while (there[next]) {
                next++;
            }
        }

        String text(int from) {
            return new String(bytes, from, next - from, StandardCharsets.ISO_8859_1);
        }
    }

    /** A filter core, and behind it one server's TCP for one connection and its application. */
    private static final class Server implements FilterOutput {
        final String name;
        final FilterCore core;
        private final Network network;
        private final int index;
        private final SegmentBuilder builder = new SegmentBuilder();
        private boolean open;
        private boolean established;
        private int irs;
        private int iss;
        private Arrivals arrivals = new Arrivals();
        private int parsed;
        private final StringBuilder sent = new StringBuilder();
        private int una;
        private long retransmitAtNs;
        private long respondAtNs;

        Server(Network network, int index) {
            this.network = network;
            this.index = index;
            name = "s" + (index + 1);
            core = new FilterCore(name, this);
            core.configure(FilterFixture.CONFIG, network.nowNs);
        }

        void fromNetwork(byte[] frame) {
            ByteBuffer buf = ByteBuffer.wrap(frame);
            apply(core.onNetworkFrame(buf, 0, frame.length, false, network.nowNs), true, frame);
        }

        private void apply(int verdict, boolean fromNetwork, byte[] frame) {
            if (verdict != PacketCore.DROP) {
                boolean toNetwork = fromNetwork == (verdict == PacketCore.RETURN);
                if (toNetwork) {
                    network.fromServer(index, frame);
                } else {
                    network.after(1, () -> kernel(new FrameReader(frame)));
                }
            }
        }

        @Override
        public void toHost(ByteBuffer frame, int offset, int length) {
            byte[] bytes = copy(frame, offset, length);
            network.after(1, () -> kernel(new FrameReader(bytes)));
        }

        @Override
        public void toNetwork(ByteBuffer frame, int offset, int length) {
            byte[] bytes = copy(frame, offset, length);
            network.fromServer(index, bytes);
        }

        void tick() {
            core.onTick(network.nowNs);
            if (established && una < sent.length() && network.nowNs >= retransmitAtNs) {
                send(una, Math.min(sent.length(), una + 1_448));
            }
        }

        private void kernel(FrameReader in) {
            FrameFlyweight frame = in.frame;
            int offset = frame.seq() - irs - 1;
            if (frame.hasFlag(TcpFlags.RST)) {
                if (open && offset == arrivals.next) {
                    open = false;
                    established = false;
                } else if (established) {
                    acknowledge();
                }
            } else if (frame.hasFlag(TcpFlags.SYN)) {
                onSyn(frame.seq());
            } else if (!open) {
                // No such connection.
                emit(frame.ack(), 0, TcpFlags.RST, "");
            } else {
                established = true;
                una = Math.max(una, Math.min(frame.ack() - iss - 1, sent.length()));
                if (frame.payloadLength() > 0) {
                    arrivals.put(offset, in.payload());
                    acknowledge();
                    respond();
                }
            }
        }

        private void onSyn(int seq) {
            if (open && established) {
                acknowledge();
                return;
            }
            if (!open) {
                open = true;
                arrivals = new Arrivals();
                parsed = 0;
                sent.setLength(0);
                una = 0;
                irs = seq;
                iss = network.random.nextInt();
            }
            emit(iss, irs + 1, TcpFlags.SYN | TcpFlags.ACK, "");
        }

        private void respond() {
            while (true) {
                String text = arrivals.text(parsed);
                int headEnd = text.indexOf("\r\n\r\n") + 4;
                if (headEnd < 4) {
                    return;
                }
                String head = text.substring(0, headEnd);
                int at = head.indexOf("Content-Length: ");
                int length = at < 0 ? 0 : Integer.parseInt(head.substring(at + 16, head.indexOf('\r', at)));
                if (text.length() < headEnd + length) {
                    return;
                }
                parsed += headEnd + length;
                String id = head.substring(head.indexOf("?") + 1, head.indexOf(" HTTP"));
                network.executed.add(id);
                String body = name + " " + id + ".";
                String padding = "z".repeat(network.random.nextInt(4_000));
                respondAtNs = Math.max(respondAtNs, network.nowNs + network.random.nextInt(20) * MS);
                int opened = iss;
                network.after(respondAtNs - network.nowNs, () -> {
                    if (!open || iss != opened) {
                        return;
                    }
                    int from = sent.length();
                    sent.append("HTTP/1.1 200 OK\r\nX: " + padding + "\r\nContent-Length: " + body.length() + "\r\n\r\n"
                            + body);
                    for (int i = from; i < sent.length() && established; i += 1_448) {
                        send(i, Math.min(sent.length(), i + 1_448));
                    }
                });
            }
        }

        private void acknowledge() {
            emit(iss + 1 + sent.length(), irs + 1 + arrivals.next, TcpFlags.ACK, "");
        }

        private void send(int from, int to) {
            retransmitAtNs = network.nowNs + 200 * MS;
            emit(iss + 1 + from, irs + 1 + arrivals.next, TcpFlags.ACK, sent.substring(from, to));
        }

        private void emit(int seq, int ack, int flags, String payload) {
            builder.start();
            if ((flags & TcpFlags.SYN) != 0) {
                builder.mss(1460).sackPermitted().windowScale(9);
            }
            byte[] bytes = payload.getBytes(StandardCharsets.ISO_8859_1);
            builder.payload(ByteBuffer.wrap(bytes), 0, bytes.length);
            ByteBuffer frame = builder.build(
                    Packet.CLIENT,
                    Packet.SERVER + index,
                    PacketCodec.VIP,
                    PacketCodec.CLIENT_ADDRESS,
                    PacketCodec.SERVICE_PORT,
                    PacketCodec.CLIENT_PORT,
                    seq,
                    ack,
                    flags,
                    500);
            byte[] copy = copy(frame, 0, builder.length());
            ByteBuffer buf = ByteBuffer.wrap(copy);
            apply(core.onHostFrame(buf, 0, copy.length, false, network.nowNs), false, copy);
        }
    }

    /** A client's TCP with some requests to send, as many at a time as it likes. */
    private static final class Client {
        final List<String> requests = new ArrayList<>();
        private final Network network;
        private final SegmentBuilder builder = new SegmentBuilder();
        private final int isn;
        private final int depth;
        private final StringBuilder stream = new StringBuilder();
        private final Arrivals arrivals = new Arrivals();
        private final List<String> answers = new ArrayList<>();
        private int read;
        private boolean connected;
        private int irs;
        private int una;
        private int sent;
        private int asked;
        private long retransmitAtNs;

        Client(Network network) {
            this.network = network;
            isn = network.random.nextInt();
            depth = 1 + network.random.nextInt(3);
            int count = 2 + network.random.nextInt(10);
            for (int i = 0; i < count; i++) {
                String path = network.random.nextBoolean() ? "/img/a?" : "/a.php?";
                String cookies = network.random.nextInt(6) == 0 ? "C: " + "c".repeat(3_000) + "\r\n" : "";
                int body = network.random.nextInt(3) == 0 ? network.random.nextInt(6_000) : -1;
                requests.add((body < 0 ? "GET " : "POST ") + path + i + " HTTP/1.1\r\nHost: h\r\n" + cookies
                        + (body < 0 ? "" : "Content-Length: " + body + "\r\n") + "\r\n"
                        + "b".repeat(Math.max(0, body)));
            }
        }

        boolean done() {
            return answers.size() == requests.size();
        }

        String answer(int i) {
            return answers.get(i);
        }

        void start() {
            emit(isn, 0, TcpFlags.SYN, "");
            retransmitAtNs = network.nowNs + 1_000 * MS;
        }

        void tick() {
            if (!connected) {
                if (network.nowNs >= retransmitAtNs) {
                    start();
                }
                return;
            }
            while (asked < requests.size() && asked < answers.size() + depth) {
                stream.append(requests.get(asked++));
            }
            if (una < sent && network.nowNs >= retransmitAtNs) {
                send(una, Math.min(sent, una + 1 + network.random.nextInt(1_448)));
            }
            // A slow or Nagle-limited sender lets time pass between segments.
            while (sent < stream.length() && sent - una < 10_000 && network.random.nextInt(8) != 0) {
                int to = Math.min(stream.length(), sent + 1 + network.random.nextInt(1_448));
                send(sent, to);
                sent = to;
            }
        }

        private void send(int from, int to) {
            retransmitAtNs = network.nowNs + 200 * MS;
            emit(isn + 1 + from, irs + 1 + arrivals.next, TcpFlags.ACK, stream.substring(from, to));
        }

        void receive(byte[] bytes) {
            FrameReader in = new FrameReader(bytes);
            FrameFlyweight frame = in.frame;
            if (frame.hasFlag(TcpFlags.RST) || frame.hasFlag(TcpFlags.FIN)) {
                throw new AssertionError("the client is reset or closed: " + in.payload());
            }
            if (frame.hasFlag(TcpFlags.SYN)) {
                if (!connected) {
                    connected = true;
                    irs = frame.seq();
                }
                if (irs == frame.seq()) {
                    acknowledge();
                }
                return;
            }
            int acknowledged = frame.ack() - isn - 1;
            if (acknowledged > sent || TcpSeq.isAfter(frame.seq(), irs + 1 + (1 << 17))) {
                throw new AssertionError("numbers that are none of ours: " + acknowledged + " of " + sent);
            }
            una = Math.max(una, acknowledged);
            if (frame.payloadLength() > 0) {
                arrivals.put(frame.seq() - irs - 1, in.payload());
                readAnswers();
                if (network.random.nextInt(3) != 0 || done()) {
                    acknowledge();
                } else {
                    network.after(30 * MS, this::acknowledge);
                }
            }
        }

        private void readAnswers() {
            while (true) {
                String text = arrivals.text(read);
                int head = text.indexOf("\r\n\r\n") + 4;
                int length = text.indexOf("Content-Length: ");
                if (head < 4 || length < 0) {
                    return;
                }
                int end = head + Integer.parseInt(text.substring(length + 16, text.indexOf('\r', length)));
                if (text.length() < end) {
                    return;
                }
                assertThat(text).startsWith("HTTP/1.1 200");
                answers.add(text.substring(head, end));
                read += end;
            }
        }

        private void acknowledge() {
            emit(isn + 1 + sent, irs + 1 + arrivals.next, TcpFlags.ACK, "");
        }

        private void emit(int seq, int ack, int flags, String payload) {
            builder.start();
            if ((flags & TcpFlags.SYN) != 0) {
                builder.mss(1460).sackPermitted().windowScale(7);
            }
            byte[] bytes = payload.getBytes(StandardCharsets.ISO_8859_1);
            builder.payload(ByteBuffer.wrap(bytes), 0, bytes.length);
            ByteBuffer frame = builder.build(
                    Packet.VMAC,
                    Packet.CLIENT,
                    PacketCodec.CLIENT_ADDRESS,
                    PacketCodec.VIP,
                    PacketCodec.CLIENT_PORT,
                    PacketCodec.SERVICE_PORT,
                    seq,
                    ack,
                    flags,
                    500);
            byte[] original = copy(frame, 0, builder.length());
            network.lossy(() -> network.fromClient(original.clone()));
        }

        @Override
        public String toString() {
            return String.format(
                    "%s asked %d of %d, has %d answers, sent %d, acknowledged %d",
                    ConnectionKey.format(FilterFixture.KEY), asked, requests.size(), answers.size(), sent, una);
        }
    }
}
