package org.dwsr.controller;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.SocketException;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.dwsr.flow.FlowTemplate;
import org.projectfloodlight.openflow.exceptions.OFParseError;
import org.projectfloodlight.openflow.protocol.OFBarrierRequest;
import org.projectfloodlight.openflow.protocol.OFFactories;
import org.projectfloodlight.openflow.protocol.OFFactory;
import org.projectfloodlight.openflow.protocol.OFFeaturesRequest;
import org.projectfloodlight.openflow.protocol.OFFlowAdd;
import org.projectfloodlight.openflow.protocol.OFFlowRemovedReason;
import org.projectfloodlight.openflow.protocol.OFFlowStatsEntry;
import org.projectfloodlight.openflow.protocol.OFFlowStatsRequest;
import org.projectfloodlight.openflow.protocol.OFMessage;
import org.projectfloodlight.openflow.protocol.OFPacketInReason;
import org.projectfloodlight.openflow.protocol.OFPortDesc;
import org.projectfloodlight.openflow.protocol.OFPortDescStatsRequest;
import org.projectfloodlight.openflow.protocol.OFStatsReplyFlags;
import org.projectfloodlight.openflow.protocol.OFVersion;
import org.projectfloodlight.openflow.protocol.match.MatchField;
import org.projectfloodlight.openflow.types.DatapathId;
import org.projectfloodlight.openflow.types.OFBufferId;
import org.projectfloodlight.openflow.types.OFPort;
import org.projectfloodlight.openflow.types.TableId;
import org.projectfloodlight.openflow.types.U64;

/** A switch's end of an OpenFlow connection: sends what it is told, and cuts what arrives by the length field. */
final class FakeSwitch implements AutoCloseable {
    static final OFFactory OF13 = OFFactories.getFactory(OFVersion.OF_13);
    private static final int TIMEOUT_MS = 10_000;

    private final Socket socket;
    private final DataInputStream in;

    private FakeSwitch(Socket socket) throws IOException {
        this.socket = socket;
        socket.setSoTimeout(TIMEOUT_MS);
        socket.setTcpNoDelay(true);
        in = new DataInputStream(socket.getInputStream());
    }

    static FakeSwitch connect(int port) throws IOException {
        return new FakeSwitch(new Socket(InetAddress.getLoopbackAddress(), port));
    }

    /** A switch without flows that has everything the controller sends at the start. */
    static FakeSwitch ready(int port, long datapath) throws Exception {
        FakeSwitch fake = connect(port);
        fake.greet(datapath);
        fake.takeProgram();
        return fake;
    }

    // ---- out -----------------------------------------------------------------------------------------------------

    void send(byte[] bytes) throws IOException {
        socket.getOutputStream().write(bytes);
    }

    /** All in one write. */
    void send(OFMessage... messages) throws IOException {
        send(bytes(messages));
    }

    static byte[] bytes(OFMessage... messages) {
        ByteBuf out = Unpooled.buffer();
        for (OFMessage message : messages) {
            message.writeTo(out);
        }
        return ByteBufUtil.getBytes(out);
    }

    static OFMessage hello() {
        return OF13.buildHello().build();
    }

    static OFMessage features(long datapath) {
        return OF13.buildFeaturesReply()
                .setDatapathId(DatapathId.of(datapath))
                .setNBuffers(0)
                .setNTables((short) 254)
                .build();
    }

    static OFMessage packetIn(int inPort, byte[] frame) {
        return OF13.buildPacketIn()
                .setBufferId(OFBufferId.NO_BUFFER)
                .setTotalLen(frame.length)
                .setReason(OFPacketInReason.ACTION)
                .setTableId(TableId.ZERO)
                .setCookie(U64.ZERO)
                .setMatch(OF13.buildMatch()
                        .setExact(MatchField.IN_PORT, OFPort.of(inPort))
                        .build())
                .setData(frame)
                .build();
    }

    static OFMessage flowRemoved(FlowTemplate flow, OFFlowRemovedReason reason) {
        return OF13.buildFlowRemoved()
                .setCookie(U64.of(flow.cookie()))
                .setPriority(flow.priority())
                .setReason(reason)
                .setTableId(TableId.ZERO)
                .setMatch(OpenFlowField.match(flow.match()))
                .build();
    }

    /** A flow as the read-back reports it. */
    static OFFlowStatsEntry entry(FlowTemplate flow) {
        return OF13.buildFlowStatsEntry()
                .setTableId(TableId.ZERO)
                .setPriority(flow.priority())
                .setCookie(U64.of(flow.cookie()))
                .setIdleTimeout(flow.idleTimeoutSeconds())
                .setMatch(OpenFlowField.match(flow.match()))
                .setInstructions(OpenFlowFlows.add(flow).getInstructions())
                .build();
    }

    static OFPortDesc port(int number, String name) {
        return OF13.buildPortDesc().setPortNo(OFPort.of(number)).setName(name).build();
    }

    // ---- in ------------------------------------------------------------------------------------------------------

    /** The next whole message; fails after ten seconds. */
    byte[] nextBytes() throws IOException {
        byte[] header = new byte[4];
        in.readFully(header);
        int length = Byte.toUnsignedInt(header[2]) << 8 | Byte.toUnsignedInt(header[3]);
        byte[] message = new byte[length];
        System.arraycopy(header, 0, message, 0, header.length);
        in.readFully(message, header.length, length - header.length);
        return message;
    }

    OFMessage next() throws IOException, OFParseError {
        return OFFactories.getGenericReader().readFrom(Unpooled.wrappedBuffer(nextBytes()));
    }

    /** The next message, which must be of this type. */
    <T extends OFMessage> T next(Class<T> type) throws IOException, OFParseError {
        OFMessage message = next();
        if (!type.isInstance(message)) {
            throw new AssertionError(type.getSimpleName() + " was expected, not " + message);
        }
        return type.cast(message);
    }

    /** Reads until the controller closes; fails after ten seconds. */
    void awaitClose() throws IOException {
        byte[] rest = new byte[65536];
        try {
            while (in.read(rest) >= 0) {
                // whatever was still on its way
            }
        } catch (SocketException e) {
            // a reset is a close, too
        }
    }

    /** Bytes that have arrived and were not read. */
    int available() throws IOException {
        return in.available();
    }

    // ---- dialogues -------------------------------------------------------------------------------------------------

    /** HELLO and FEATURES. */
    void greet(long datapath) throws Exception {
        nextBytes();
        send(hello());
        OFFeaturesRequest request = next(OFFeaturesRequest.class);
        send(features(datapath).createBuilder().setXid(request.getXid()).build());
    }

    /** Everything up to the read-back, and the answers to it; returns the flows that were added. */
    List<OFFlowAdd> takeProgram(OFFlowStatsEntry... present) throws Exception {
        List<OFFlowAdd> added = new ArrayList<>();
        while (true) {
            OFMessage message = next();
            if (message instanceof OFFlowAdd add) {
                added.add(add);
            } else if (message instanceof OFBarrierRequest) {
                send(OF13.buildBarrierReply().setXid(message.getXid()).build());
            } else if (message instanceof OFPortDescStatsRequest) {
                send(OF13.buildPortDescStatsReply()
                        .setXid(message.getXid())
                        .setEntries(List.of(port(3, "eth3"), port(4, "eth4")))
                        .build());
            } else if (message instanceof OFFlowStatsRequest) {
                send(flows(message.getXid(), false, present));
                return added;
            }
        }
    }

    static OFMessage flows(long xid, boolean more, OFFlowStatsEntry... entries) {
        return OF13.buildFlowStatsReply()
                .setXid(xid)
                .setFlags(more ? Set.of(OFStatsReplyFlags.REPLY_MORE) : Set.of())
                .setEntries(List.of(entries))
                .build();
    }

    /** Whether the connection still answers an echo request, with its payload. */
    void assertAlive() throws Exception {
        byte[] word = {1, 2, 3, 4, 5};
        send(OF13.buildEchoRequest().setXid(4711).setData(word).build());
        byte[] expected = bytes(OF13.buildEchoReply().setXid(4711).setData(word).build());
        byte[] reply = nextBytes();
        if (!java.util.Arrays.equals(reply, expected)) {
            throw new AssertionError("an echo reply was expected, not " + ByteBufUtil.hexDump(reply));
        }
    }

    /** Fails unless the other side has closed without a word. */
    void assertClosedSilently() throws IOException {
        try {
            byte[] message = nextBytes();
            throw new AssertionError("nothing was expected, not " + ByteBufUtil.hexDump(message));
        } catch (EOFException | SocketException e) {
            // as it should be
        }
    }

    /** Closes with a TCP reset. */
    void reset() throws IOException {
        socket.setSoLinger(true, 0);
        socket.close();
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }
}
