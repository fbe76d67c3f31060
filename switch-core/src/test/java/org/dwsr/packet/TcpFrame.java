package org.dwsr.packet;

import java.nio.ByteBuffer;

/** A described Ethernet frame with IPv4 and TCP, written field by field and summed by {@link ReferenceChecksum}. */
final class TcpFrame {
    static final int CLIENT = 0x0a00_0001;
    static final int VIP = 0x0a00_0064;
    static final long CLIENT_MAC = 0x0200_0000_0011L;
    static final long SERVER_MAC = 0x0200_0000_0022L;

    int margin;
    int ipOptionsLength;
    byte[] tcpOptions = {};
    byte[] payload = {};
    int padding;
    int seq = 0x0102_0304;
    int ack = 0xf102_0304;
    int flags = TcpFlags.ACK | TcpFlags.PSH;
    int window = 0x4321;

    TcpFrame margin(int bytes) {
        margin = bytes;
        return this;
    }

    TcpFrame ipOptions(int bytes) {
        ipOptionsLength = bytes;
        return this;
    }

    /** TCP options, a multiple of four bytes. */
    TcpFrame tcpOptions(int... octets) {
        tcpOptions = bytes(octets);
        return this;
    }

    TcpFrame payload(int bytes) {
        payload = new byte[bytes];
        for (int i = 0; i < bytes; i++) {
            payload[i] = (byte) (i * 37 + 11);
        }
        return this;
    }

    TcpFrame padding(int bytes) {
        padding = bytes;
        return this;
    }

    TcpFrame seq(int value) {
        seq = value;
        return this;
    }

    TcpFrame flags(int value) {
        flags = value;
        return this;
    }

    int tcpOffset() {
        return margin + 14 + 20 + ipOptionsLength;
    }

    /** The length of the frame on the wire, padding included. */
    int length() {
        return 14 + 20 + ipOptionsLength + 20 + tcpOptions.length + payload.length + padding;
    }

    /** The frame at offset {@link #margin}, in a buffer that ends with it. */
    ByteBuffer write() {
        ByteBuffer buf = ByteBuffer.allocate(margin + length());
        int ip = margin + 14;
        int tcp = tcpOffset();
        int tcpLength = 20 + tcpOptions.length + payload.length;
        putMac(buf, margin, SERVER_MAC);
        putMac(buf, margin + 6, CLIENT_MAC);
        buf.putShort(margin + 12, (short) 0x0800);
        buf.put(ip, (byte) (0x40 | (20 + ipOptionsLength) / 4));
        buf.putShort(ip + 2, (short) (20 + ipOptionsLength + tcpLength));
        buf.putShort(ip + 6, (short) 0x4000);
        buf.put(ip + 8, (byte) 64);
        buf.put(ip + 9, (byte) 6);
        buf.putInt(ip + 12, CLIENT);
        buf.putInt(ip + 16, VIP);
        for (int i = 0; i < ipOptionsLength; i++) {
            buf.put(ip + 20 + i, (byte) 1);
        }
        buf.putShort(ip + 10, (short) ReferenceChecksum.of(buf, ip, 20 + ipOptionsLength));
        buf.putShort(tcp, (short) 40000);
        buf.putShort(tcp + 2, (short) 80);
        buf.putInt(tcp + 4, seq);
        buf.putInt(tcp + 8, ack);
        buf.put(tcp + 12, (byte) ((20 + tcpOptions.length) / 4 << 4));
        buf.put(tcp + 13, (byte) flags);
        buf.putShort(tcp + 14, (short) window);
        for (int i = 0; i < tcpOptions.length; i++) {
            buf.put(tcp + 20 + i, tcpOptions[i]);
        }
        for (int i = 0; i < payload.length; i++) {
            buf.put(tcp + 20 + tcpOptions.length + i, payload[i]);
        }
        for (int i = buf.capacity() - padding; i < buf.capacity(); i++) {
            buf.put(i, (byte) 0xee);
        }
        buf.putShort(tcp + 16, (short) ReferenceChecksum.ofTcp(buf, margin));
        return buf;
    }

    static byte[] bytes(int... octets) {
        byte[] bytes = new byte[octets.length];
        for (int i = 0; i < octets.length; i++) {
            bytes[i] = (byte) octets[i];
        }
        return bytes;
    }

    private static void putMac(ByteBuffer buf, int at, long mac) {
        for (int i = 0; i < 6; i++) {
            buf.put(at + i, (byte) (mac >>> 8 * (5 - i)));
        }
    }
}
