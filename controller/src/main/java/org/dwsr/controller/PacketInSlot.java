package org.dwsr.controller;

import io.netty.buffer.ByteBuf;
import java.nio.ByteBuffer;

/** A reusable place for one packet-in on its way from the network thread to the agent. */
final class PacketInSlot implements WebSwitchAgent.Event {
    private static final int USUAL_LENGTH = 2048;

    private final WebSwitchAgent agent;
    private ByteBuffer frame = ByteBuffer.allocate(USUAL_LENGTH);
    private long datapath;
    private int inPort;
    private int length;

    PacketInSlot(WebSwitchAgent agent) {
        this.agent = agent;
    }

    /** Copies the frame: the message's memory goes back to the network thread. */
    void fill(long datapathId, int port, ByteBuf message, int offset, int frameLength) {
        if (frameLength > frame.capacity()) {
            frame = ByteBuffer.allocate(frameLength);
        }
        message.getBytes(offset, frame.array(), 0, frameLength);
        datapath = datapathId;
        inPort = port;
        length = frameLength;
    }

    @Override
    public void happen(long nowNs) {
        try {
            agent.logic().onPacketIn(datapath, inPort, frame, 0, length, nowNs);
        } finally {
            agent.release(this);
        }
    }
}
