package org.dwsr.controller;

import io.netty.buffer.ByteBuf;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.projectfloodlight.openflow.protocol.OFFlowStatsEntry;
import org.projectfloodlight.openflow.protocol.OFMessage;
import org.projectfloodlight.openflow.protocol.OFPortDesc;
import org.projectfloodlight.openflow.protocol.OFPortState;

/** A connected switch as the agent sees it: what is on its way to it, and what was heard from it. */
final class Datapath {
    private static final int DELETED_SLOTS = 4096;
    /** What may gather within one turn of the agent. */
    private static final int MAX_GATHERED_BYTES = 4 << 20;
    /** What may wait beyond the low water mark of {@link OpenFlowListener}. */
    private static final int MAX_BACKLOG_BYTES = 12 << 20;

    private final OpenFlowConnection connection;
    private final Map<Integer, String> ports = new TreeMap<>();
    private final List<OFFlowStatsEntry> flowsRead = new ArrayList<>();
    private final long[] deleted = new long[DELETED_SLOTS];
    private @Nullable ByteBuf out;
    private long nextXid = 1;
    private long readXid = -1;
    private long barrierXid = -1;
    private boolean programmed;
    private boolean givenUp;

    Datapath(OpenFlowConnection connection) {
        this.connection = connection;
    }

    static String format(long id) {
        return String.format(Locale.ROOT, "of:%016x", id);
    }

    long id() {
        return connection.datapath();
    }

    OpenFlowConnection connection() {
        return connection;
    }

    long takeXid() {
        return nextXid++;
    }

    // ---- toward the switch -------------------------------------------------------------------------------------

    /** False when too much is waiting to be sent for packet-outs to be worth adding. */
    boolean isWritable() {
        ByteBuf pending = out;
        return connection.channel().isWritable() && (pending == null || pending.readableBytes() < MAX_GATHERED_BYTES);
    }

    /**
     * Whether even what must not be lost (flow-mods) has no place any more. The switch is better disconnected then: it
     * keeps its flows, and they are read back when it returns.
     */
    boolean isFull() {
        return connection.channel().bytesBeforeWritable() > MAX_BACKLOG_BYTES;
    }

    /** Closes the connection; from now on nothing is sent. */
    void giveUp() {
        givenUp = true;
        discard();
        ChannelFuture unused = connection.channel().close();
    }

    boolean isGivenUp() {
        return givenUp;
    }

    void packetOut(int port, ByteBuffer frame, int offset, int length) {
        OpenFlowWire.packetOut(out(), port, frame, offset, length);
    }

    void send(OFMessage message) {
        message.writeTo(out());
    }

    private ByteBuf out() {
        ByteBuf pending = out;
        if (pending == null) {
            pending = connection.channel().alloc().buffer();
            out = pending;
        }
        return pending;
    }

    /** Hands what has gathered to the network thread, in one piece and in order. */
    void flush() {
        ByteBuf pending = out;
        if (pending != null) {
            out = null;
            Channel channel = connection.channel();
            // The void promise reports a failed write as an exception of the channel, which closes it.
            var unused = channel.writeAndFlush(pending, channel.voidPromise());
        }
    }

    /** Lets go of what was not flushed. */
    void discard() {
        ByteBuf pending = out;
        if (pending != null) {
            out = null;
            pending.release();
        }
    }

    // ---- flows ---------------------------------------------------------------------------------------------------

    /** Notes that we deleted a connection's flow, so that the switch's report of it is not news. */
    void noteDeleted(long connectionKey) {
        deleted[slot(connectionKey)] = connectionKey;
    }

    /** Whether a reported deletion is one of ours; true at most once per deletion. */
    boolean takeDeleted(long connectionKey) {
        int slot = slot(connectionKey);
        boolean ours = deleted[slot] == connectionKey;
        if (ours) {
            deleted[slot] = 0;
        }
        return ours;
    }

    private static int slot(long connectionKey) {
        return Long.hashCode(connectionKey * 0x9E37_79B9_7F4A_7C15L) & (DELETED_SLOTS - 1);
    }

    /** Begins a read-back of our flows; returns its transaction id. */
    long beginRead() {
        flowsRead.clear();
        readXid = takeXid();
        return readXid;
    }

    /** Takes a part of a read-back; true if it belongs to the one under way. */
    boolean addRead(long xid, List<OFFlowStatsEntry> entries) {
        if (xid != readXid) {
            return false;
        }
        flowsRead.addAll(entries);
        return true;
    }

    List<OFFlowStatsEntry> flowsRead() {
        return flowsRead;
    }

    void endRead() {
        flowsRead.clear();
        readXid = -1;
    }

    /** Begins to wait for the static flows; returns the barrier's transaction id. */
    long beginProgramming() {
        programmed = false;
        barrierXid = takeXid();
        return barrierXid;
    }

    /** True if this barrier says that the static flows are in place. */
    boolean endProgramming(long xid) {
        programmed |= xid == barrierXid;
        return xid == barrierXid;
    }

    /** Whether the switch has confirmed the static flows. */
    boolean isProgrammed() {
        return programmed;
    }

    // ---- ports ---------------------------------------------------------------------------------------------------

    void port(OFPortDesc port) {
        boolean down = port.getState().contains(OFPortState.LINK_DOWN);
        ports.put(port.getPortNo().getPortNumber(), port.getName() + (down ? " (down)" : ""));
    }

    void portDeleted(OFPortDesc port) {
        ports.remove(port.getPortNo().getPortNumber());
    }

    /** Port numbers and names, {@code (down)} added. */
    Map<Integer, String> ports() {
        return ports;
    }
}
