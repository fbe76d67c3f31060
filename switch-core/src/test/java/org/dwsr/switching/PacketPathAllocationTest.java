package org.dwsr.switching;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dwsr.config.ConfigTrees.list;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.dwsr.config.ConfigTrees;
import org.dwsr.config.DwsrConfig;
import org.dwsr.http.BodyFraming;
import org.dwsr.http.BodyKind;
import org.dwsr.http.RequestHead;
import org.dwsr.http.ResponseHead;
import org.dwsr.packet.ConnectionKey;
import org.dwsr.packet.FrameFlyweight;
import org.dwsr.packet.IpAddress;
import org.dwsr.packet.MigrationTag;
import org.dwsr.packet.SegmentBuilder;
import org.dwsr.packet.TcpFlags;
import org.dwsr.packet.TcpOptions;
import org.dwsr.stream.ReassemblyBuffer;
import org.dwsr.table.LongKeyedTable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A request's way through the pure classes, from the frame to the chosen server, costs no allocation. */
class PacketPathAllocationTest {
    private static final int ROUNDS = 20_000;
    private static final long NOW = 1_700_000_000_000_000_000L;
    private static final int CLIENT = 0x0a00_0001;
    private static final int VIP = 0x0a00_0064;
    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    private long passes;

    private static void assertAllocatesNothing(Runnable onePass) {
        for (int i = 0; i < ROUNDS; i++) {
            onePass.run();
        }
        long before = THREADS.getThreadAllocatedBytes(Thread.currentThread().getId());
        for (int i = 0; i < ROUNDS; i++) {
            onePass.run();
        }
        long allocated = THREADS.getThreadAllocatedBytes(Thread.currentThread().getId()) - before;
        // The smallest object has 16 bytes; what is left is the measuring itself.
        assertThat(allocated).isLessThan(ROUNDS);
    }

    private static ByteBuffer requestFrame(int servicePort, String cookies) {
        byte[] request = ("GET /img/a.jpg?x HTTP/1.1\r\nHost: app.example.org\r\nAccept: */*\r\n" + cookies + "\r\n")
                .getBytes(StandardCharsets.US_ASCII);
        SegmentBuilder builder = new SegmentBuilder();
        ByteBuffer built = builder.start()
                .payload(ByteBuffer.wrap(request), 0, request.length)
                .build(1, 2, CLIENT, VIP, 40000, servicePort, 1_001, 2_001, TcpFlags.ACK | TcpFlags.PSH, 512);
        byte[] frame = new byte[builder.length()];
        built.get(frame);
        return ByteBuffer.wrap(frame);
    }

    private static DwsrConfig config(String schedule, int servicePort) {
        Map<String, Object> tree = ConfigTrees.withPool(schedule, 1, 2, 3, 4);
        Map<String, Object> service = ConfigTrees.object(
                "port",
                servicePort,
                "handshake",
                "proxy",
                "requests",
                "guard",
                "contentTypes",
                list(
                        ConfigTrees.object(
                                "id", "018", "match", list(ConfigTrees.object("path", "/img/*")), "pool", "images"),
                        ConfigTrees.object("id", "020", "pool", "app")),
                "otherwise",
                "020");
        tree.put("services", list(service));
        return ConfigTrees.read(tree);
    }

    @ParameterizedTest
    @CsvSource({
        "rr, 80, ''",
        "wrr, 8080, ''",
        "lc, 8080, 'Cookie: a=b; PHPSESSID=c'",
        "wlc, 8080, ''",
        "sourceHash, 8080, ''",
        "wlc, 8080, 'Cookie: a=b; DR0189C2D=c; DR0209C1D=d'"
    })
    void shouldAllocateNothingFromTheFrameToTheServer(String schedule, int servicePort, String cookies) {
        DwsrConfig config = config(schedule, servicePort);
        RunningConfig running = new RunningConfig(config);
        ServerAvailability availability = new ServerAvailability(config, NOW);
        ServerChoice choice = new ServerChoice(running, availability);
        LongKeyedTable<ConnectionEntry> connections = new LongKeyedTable<>();
        long key = ConnectionKey.of(CLIENT, 40000, servicePort);
        connections.put(key, new ConnectionEntry(key, IpAddress.ofIpv4(CLIENT)));
        ByteBuffer bytes = requestFrame(servicePort, cookies.isEmpty() ? "" : cookies + "\r\n");
        FrameFlyweight frame = new FrameFlyweight();
        TcpOptions options = new TcpOptions();
        RequestHead head = new RequestHead();
        assertAllocatesNothing(() -> {
            FrameFlyweight.Kind kind = frame.wrap(bytes, 0, bytes.capacity(), false);
            options.parse(bytes, frame.optionsOffset(), frame.optionsLength());
            int parsed = head.parse(bytes, frame.payloadOffset(), frame.payloadLength());
            RequestClassifier classifier = running.classifier(frame.destinationPort());
            ConnectionEntry entry =
                    connections.get(ConnectionKey.of(frame.ipSource(), frame.sourcePort(), frame.destinationPort()));
            if (kind != FrameFlyweight.Kind.TCP || parsed <= 0 || classifier == null || entry == null) {
                return;
            }
            int contentType = classifier.contentType(bytes, head);
            int server = choice.choose(entry, classifier, bytes, head, contentType, NOW);
            frame.ethSource(MigrationTag.with(MigrationTag.of(6, 7, 7, true), contentType, MigrationTag.FRESH));
            frame.ack(frame.ack() + 1);
            passes += server >= 0 && frame.tcpChecksumValid() ? 1 : 0;
        });
        assertThat(passes).isEqualTo(2L * ROUNDS);
    }

    @Test
    void shouldAllocateNothingForAClientWhoseReturnFlowIsInstalled() {
        SwitchLab lab = new SwitchLab();
        ReturnFlows flows = new ReturnFlows(lab, new SwitchCounters(), 10);
        flows.configure(lab.config());
        LabClient client = lab.client(1);
        ConnectionEntry entry = new ConnectionEntry(client.key(), client.ip);
        entry.ingressDatapath = SwitchLab.DATAPATH;
        entry.ingressPort = client.port;
        entry.clientMac = client.mac;
        assertAllocatesNothing(() -> {
            flows.install(entry, true);
            flows.install(entry, false);
        });
        assertThat(lab.returns()).containsExactly("return c1>1");
    }

    @Test
    void shouldAllocateNothingFromTheStreamToTheEndOfAResponse() {
        byte[] response = ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nSet-Cookie: PHPSESSID=c\r\n\r\n"
                        + "5;a=b\r\nhello\r\n0\r\nT: v\r\n\r\n")
                .getBytes(StandardCharsets.US_ASCII);
        ByteBuffer source = ByteBuffer.wrap(response);
        int half = response.length / 2;
        ReassemblyBuffer buffer = new ReassemblyBuffer(1_024, 0);
        ResponseHead head = new ResponseHead();
        BodyFraming body = new BodyFraming();
        assertAllocatesNothing(() -> {
            int seq = buffer.base();
            buffer.insert(seq + half, source, half, response.length - half);
            buffer.insert(seq, source, 0, half);
            int parsed = head.parse(buffer.bytes(), 0, buffer.length());
            BodyKind kind = head.bodyKind(false, false);
            body.begin(kind, head.contentLength());
            int taken = body.consume(buffer.bytes(), parsed, buffer.length() - parsed);
            buffer.discard(parsed + taken);
            passes += body.done() && buffer.length() == 0 ? 1 : 0;
        });
        assertThat(passes).isEqualTo(2L * ROUNDS);
    }

    @Test
    void shouldAllocateNothingForASegmentOfOurOwn() {
        SegmentBuilder builder = new SegmentBuilder();
        ByteBuffer payload = ByteBuffer.allocate(100);
        assertAllocatesNothing(() -> {
            builder.start().mss(1460).sackPermitted().windowScale(7).payload(payload, 0, 100);
            builder.build(1, 2, CLIENT, VIP, 40000, 80, 1, 2, TcpFlags.ACK, 512);
            passes += builder.length() == 14 + 20 + 32 + 100 ? 1 : 0;
        });
        assertThat(passes).isEqualTo(2L * ROUNDS);
    }
}
