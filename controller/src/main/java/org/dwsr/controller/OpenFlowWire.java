package org.dwsr.controller;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.projectfloodlight.openflow.exceptions.OFParseError;

/**
 * The OpenFlow 1.3 messages that carry packets, read and written in place. Everything else goes through OpenFlowJ; these two do not,
 * because it copies the frame once per layer.
 *
 * <pre>
 *  header      0 version | 1 type | 2 length | 4 xid                           (OpenFlow 1.3.5, section 7.1)
 *  packet-in   8 buffer_id | 12 total_len | 14 reason | 15 table | 16 cookie | 24 match | pad 2 | frame   (7.4.1)
 *  packet-out  8 buffer_id | 12 in_port | 16 actions_len | 18 pad 6 | 24 actions | frame                  (7.3.7)
 * </pre>
 */
final class OpenFlowWire {
    static final int VERSION = 4;
    static final int HEADER_LENGTH = 8;
    static final int MAX_MESSAGE_LENGTH = 0xFFFF;

    static final int TYPE_HELLO = 0;
    static final int TYPE_ERROR = 1;
    static final int TYPE_ECHO_REQUEST = 2;
    static final int TYPE_ECHO_REPLY = 3;
    static final int TYPE_FEATURES_REPLY = 6;
    static final int TYPE_PACKET_IN = 10;
    static final int TYPE_FLOW_REMOVED = 11;
    static final int TYPE_PORT_STATUS = 12;
    static final int TYPE_PACKET_OUT = 13;
    static final int TYPE_MULTIPART_REPLY = 19;
    static final int TYPE_BARRIER_REPLY = 21;

    /** Stands for a missing in_port (OFPP_ANY is none). */
    static final int NO_PORT = -1;

    static final int PORT_NORMAL = 0xFFFF_FFFA;
    static final int PORT_CONTROLLER = 0xFFFF_FFFD;

    private static final int TOTAL_LENGTH_OFFSET = 12;
    private static final int MATCH_OFFSET = 24;
    private static final int MATCH_HEADER_LENGTH = 4;
    private static final int MATCH_TYPE_OXM = 1;
    private static final int FLOW_REMOVED_COOKIE_OFFSET = 8;
    private static final int HELLO_ELEMENT_HEADER_LENGTH = 4;
    private static final int HELLO_VERSION_BITMAP = 1;
    private static final int ERROR_LENGTH = 12;
    private static final int PACKET_IN_PAD = 2;
    private static final int OXM_IN_PORT = 0x8000_0004;
    private static final int NO_BUFFER = -1;
    private static final int OUTPUT_ACTION_LENGTH = 16;
    private static final int PACKET_OUT_LENGTH = 24 + OUTPUT_ACTION_LENGTH;

    /** The longest frame that fits a packet-out. */
    static final int MAX_FRAME_LENGTH = MAX_MESSAGE_LENGTH - PACKET_OUT_LENGTH;

    private OpenFlowWire() {}

    static int type(ByteBuf message) {
        return message.getUnsignedByte(message.readerIndex() + 1);
    }

    static int version(ByteBuf message) {
        return message.getUnsignedByte(message.readerIndex());
    }

    static int xid(ByteBuf message) {
        return message.getInt(message.readerIndex() + 4);
    }

    /** Where the frame of a packet-in begins, from the message's start; -1 if the message is malformed. */
    static int frameOffset(ByteBuf message) {
        int start = message.readerIndex();
        int length = message.readableBytes();
        if (length < MATCH_OFFSET + MATCH_HEADER_LENGTH) {
            return -1;
        }
        int matchLength = message.getUnsignedShort(start + MATCH_OFFSET + 2);
        int padded = (matchLength + 7) & ~7;
        int offset = MATCH_OFFSET + padded + PACKET_IN_PAD;
        boolean oxm = message.getUnsignedShort(start + MATCH_OFFSET) == MATCH_TYPE_OXM;
        return !oxm || matchLength < MATCH_HEADER_LENGTH || offset > length ? -1 : offset;
    }

    /** The length of the frame before the switch cut it. */
    static int totalLength(ByteBuf message) {
        return message.getUnsignedShort(message.readerIndex() + TOTAL_LENGTH_OFFSET);
    }

    /** The port a packet-in's frame entered, or {@link #NO_PORT}; the message has a valid {@link #frameOffset}. */
    static int inPort(ByteBuf message) {
        int match = message.readerIndex() + MATCH_OFFSET;
        int end = match + message.getUnsignedShort(match + 2);
        int at = match + MATCH_HEADER_LENGTH;
        while (at + 4 <= end) {
            int header = message.getInt(at);
            int valueLength = header & 0xFF;
            if (at + 4 + valueLength > end) {
                return NO_PORT;
            }
            if (header == OXM_IN_PORT) {
                return message.getInt(at + 4);
            }
            at += 4 + valueLength;
        }
        return NO_PORT;
    }

    /** The cookie of the flow that a flow-removed message is about; 0 if the message is too short to have one. */
    static long flowRemovedCookie(ByteBuf message) {
        boolean whole = message.readableBytes() >= FLOW_REMOVED_COOKIE_OFFSET + Long.BYTES;
        return whole ? message.getLong(message.readerIndex() + FLOW_REMOVED_COOKIE_OFFSET) : 0;
    }

    /**
     * Whether a HELLO lets us speak 1.3: by its version bitmap, which is as long as the peer likes, else because its
     * version is not lower than ours (OpenFlow 1.3.5, section 6.3.1).
     */
    static boolean helloAllows13(ByteBuf hello) {
        if (version(hello) < VERSION) {
            return false;
        }
        int at = hello.readerIndex() + HEADER_LENGTH;
        int end = hello.readerIndex() + hello.readableBytes();
        while (at + HELLO_ELEMENT_HEADER_LENGTH + Integer.BYTES <= end) {
            int length = hello.getUnsignedShort(at + 2);
            if (length < HELLO_ELEMENT_HEADER_LENGTH) {
                break;
            }
            if (hello.getUnsignedShort(at) == HELLO_VERSION_BITMAP) {
                return (hello.getInt(at + HELLO_ELEMENT_HEADER_LENGTH) & 1 << VERSION) != 0;
            }
            at += (length + 7) & ~7;
        }
        return true;
    }

    /** Appends the answer to a HELLO that we cannot agree to, in a version that its sender can read. */
    static void helloFailed(ByteBuf out, ByteBuf hello, String text) {
        out.writeByte(Math.min(VERSION, version(hello)));
        out.writeByte(TYPE_ERROR);
        out.writeShort(ERROR_LENGTH + text.length());
        out.writeInt(xid(hello));
        // OFPET_HELLO_FAILED, OFPHFC_INCOMPATIBLE: the same in every version (section 7.4.4.1).
        out.writeInt(0);
        out.writeCharSequence(text, StandardCharsets.US_ASCII);
    }

    /** An error message for people: by name if OpenFlowJ knows it, else by number. */
    static String describeError(ByteBuf message) {
        try {
            return String.valueOf(OpenFlowFlows.OF13.getReader().readFrom(message.duplicate()));
        } catch (OFParseError | RuntimeException e) {
            return "error " + ByteBufUtil.hexDump(message);
        }
    }

    /** Appends a packet-out with one output action. */
    static void packetOut(ByteBuf out, int port, ByteBuffer frame, int offset, int length) {
        out.writeByte(VERSION);
        out.writeByte(TYPE_PACKET_OUT);
        out.writeShort(PACKET_OUT_LENGTH + length);
        out.writeInt(0);
        out.writeInt(NO_BUFFER);
        out.writeInt(PORT_CONTROLLER);
        out.writeShort(OUTPUT_ACTION_LENGTH);
        out.writeZero(6);
        out.writeShort(0);
        out.writeShort(OUTPUT_ACTION_LENGTH);
        out.writeInt(port);
        out.writeShort(0);
        out.writeZero(6);
        if (frame.hasArray()) {
            out.writeBytes(frame.array(), frame.arrayOffset() + offset, length);
        } else {
            for (int i = 0; i < length; i++) {
                out.writeByte(frame.get(offset + i));
            }
        }
    }

    /** Appends a message without a body. */
    static void header(ByteBuf out, int type, int xid) {
        out.writeByte(VERSION);
        out.writeByte(type);
        out.writeShort(HEADER_LENGTH);
        out.writeInt(xid);
    }
}
