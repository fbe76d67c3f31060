package org.dwsr.packet;

import java.nio.ByteBuffer;

/** A described Ethernet frame with IPv6, written field by field (RFC 8200 section 3) and summed byte by byte. */
public final class Ipv6Frame {
    public static final IpAddress CLIENT = IpAddress.parse("2001:db8:1:2:3:4:5:6");
    public static final IpAddress VIP = IpAddress.parse("fd00::100");

    long ethDestination = TcpFrame.SERVER_MAC;
    long ethSource = TcpFrame.CLIENT_MAC;
    IpAddress source = CLIENT;
    IpAddress destination = VIP;
    int hopLimit = 64;
    int margin;
    int padding;
    /** Whole extension headers, the last one's next header still to be set. */
    byte[] extensions = {};
    /** The type of the first extension header; of each next one its predecessor's first byte. */
    int firstExtension;

    int protocol = 6;
    byte[] message = {};

    public Ipv6Frame from(IpAddress address) {
        source = address;
        return this;
    }

    public Ipv6Frame to(IpAddress address) {
        destination = address;
        return this;
    }

    public Ipv6Frame ethDestination(long mac) {
        ethDestination = mac;
        return this;
    }

    public Ipv6Frame ethSource(long mac) {
        ethSource = mac;
        return this;
    }

    public Ipv6Frame hopLimit(int value) {
        hopLimit = value;
        return this;
    }

    Ipv6Frame margin(int bytes) {
        margin = bytes;
        return this;
    }

    Ipv6Frame padding(int bytes) {
        padding = bytes;
        return this;
    }

    /** Puts an extension header of this type and length (a multiple of eight bytes) before what is carried. */
    public Ipv6Frame extension(int type, int lengthBytes) {
        byte[] longer = new byte[extensions.length + lengthBytes];
        System.arraycopy(extensions, 0, longer, 0, extensions.length);
        if (extensions.length == 0) {
            firstExtension = type;
        } else {
            int last = 0;
            while (last + (extensions[last + 1] + 1) * 8 < extensions.length) {
                last += (extensions[last + 1] + 1) * 8;
            }
            longer[last] = (byte) type;
        }
        longer[extensions.length + 1] = (byte) (lengthBytes / 8 - 1);
        extensions = longer;
        return this;
    }

    /** Carries these bytes of another protocol; the checksum at {@code checksumAt} is filled in. */
    public Ipv6Frame message(int protocol, int checksumAt, int... octets) {
        this.protocol = protocol;
        message = TcpFrame.bytes(octets);
        int sum = checksum();
        message[checksumAt] = (byte) (sum >>> 8);
        message[checksumAt + 1] = (byte) sum;
        return this;
    }

    /** Carries a TCP segment. */
    public Ipv6Frame tcp(int sourcePort, int destinationPort, int seq, int ack, int flags, int payloadBytes) {
        ByteBuffer tcp = ByteBuffer.allocate(20 + payloadBytes);
        tcp.putShort((short) sourcePort).putShort((short) destinationPort);
        tcp.putInt(seq)
                .putInt(ack)
                .put((byte) 0x50)
                .put((byte) flags)
                .putShort((short) 0x4321)
                .putInt(0);
        for (int i = 0; i < payloadBytes; i++) {
            tcp.put((byte) (i * 37 + 11));
        }
        protocol = 6;
        message = tcp.array();
        int sum = checksum();
        tcp.putShort(16, (short) sum);
        return this;
    }

    /** RFC 8200 section 8.1, one byte after the other. */
    private int checksum() {
        ByteBuffer summed = ByteBuffer.allocate(40 + message.length + message.length % 2);
        summed.putLong(source.high()).putLong(source.low());
        summed.putLong(destination.high()).putLong(destination.low());
        summed.putInt(message.length).putInt(protocol).put(message);
        long sum = 0;
        for (int i = 0; i < summed.capacity(); i += 2) {
            sum += (summed.get(i) & 255) * 256 + (summed.get(i + 1) & 255);
        }
        while (sum > 0xffff) {
            sum = (sum & 0xffff) + sum / 65536;
        }
        return (int) ~sum & 0xffff;
    }

    public int length() {
        return 54 + extensions.length + message.length + padding;
    }

    /** The frame at offset {@link #margin}, in a buffer that ends with it. */
    public ByteBuffer write() {
        ByteBuffer buf = ByteBuffer.allocate(margin + length());
        buf.position(margin);
        buf.putShort((short) (ethDestination >>> 32)).putInt((int) ethDestination);
        buf.putShort((short) (ethSource >>> 32)).putInt((int) ethSource);
        buf.putShort((short) 0x86dd).putInt(0x6012_3456);
        buf.putShort((short) (extensions.length + message.length));
        buf.put((byte) (extensions.length == 0 ? protocol : firstExtension)).put((byte) hopLimit);
        buf.putLong(source.high()).putLong(source.low());
        buf.putLong(destination.high()).putLong(destination.low());
        if (extensions.length > 0) {
            int last = 0;
            while (last + (extensions[last + 1] + 1) * 8 < extensions.length) {
                last += (extensions[last + 1] + 1) * 8;
            }
            extensions[last] = (byte) protocol;
        }
        buf.put(extensions).put(message);
        while (buf.hasRemaining()) {
            buf.put((byte) 0xee);
        }
        return buf;
    }
}
