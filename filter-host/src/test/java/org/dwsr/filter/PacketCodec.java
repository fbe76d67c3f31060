package org.dwsr.filter;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;

/**
 * Described packets to bytes and back, written without the flyweights under test. Decoding verifies both checksums.
 */
final class PacketCodec {
    static final int CLIENT_ADDRESS = 0x0a000001;
    static final int VIP = 0x0a000064;
    static final long NET6 = 0xfd00_0000_0000_0000L;
    static final long CLIENT6 = 0x1_0001L;
    static final long VIP6 = 0x100L;
    static final int CLIENT_PORT = 40_000;
    static final int SERVICE_PORT = 80;

    private PacketCodec() {}

    /** The frame of a packet over IPv4. */
    static byte[] encode(Packet packet, boolean fromClient, boolean partial) {
        return encode(packet, fromClient, partial, false);
    }

    /** The frame of a packet; with {@code partial} its checksum field holds the pseudo-header's sum only. */
    static byte[] encode(Packet packet, boolean fromClient, boolean partial, boolean ipv6) {
        byte[] options = encodeOptions(packet.options());
        byte[] payload = packet.bytes();
        int tcpLength = 20 + options.length + payload.length;
        int tcp = ipv6 ? 54 : 34;
        ByteBuffer frame = ByteBuffer.allocate(tcp + tcpLength);
        mac(frame, packet.ethDestination());
        mac(frame, packet.ethSource());
        if (ipv6) {
            frame.putShort((short) 0x86dd).putInt(0x6000_0000).putShort((short) tcpLength);
            frame.put((byte) 6).put((byte) 64);
            frame.putLong(NET6).putLong(fromClient ? CLIENT6 : VIP6);
            frame.putLong(NET6).putLong(fromClient ? VIP6 : CLIENT6);
        } else {
            frame.putShort((short) 0x0800);
            frame.putShort((short) 0x4500).putShort((short) (20 + tcpLength)).putInt(0x4000);
            frame.put((byte) 64).put((byte) 6).putShort((short) 0);
            frame.putInt(fromClient ? CLIENT_ADDRESS : VIP).putInt(fromClient ? VIP : CLIENT_ADDRESS);
        }
        frame.putShort((short) (fromClient ? CLIENT_PORT : SERVICE_PORT));
        frame.putShort((short) (fromClient ? SERVICE_PORT : CLIENT_PORT));
        frame.putInt(packet.seq()).putInt(packet.ack());
        frame.put((byte) ((20 + options.length) / 4 << 4)).put((byte) packet.flags());
        frame.putShort((short) packet.window()).putInt(0);
        frame.put(options).put(payload);
        if (!ipv6) {
            frame.putShort(24, (short) ~sum(frame.array(), 14, 34, 0));
        }
        int pseudo = pseudo(frame.array(), tcp, tcpLength);
        int whole = ~sum(frame.array(), tcp, frame.capacity(), pseudo);
        frame.putShort(tcp + 16, (short) (partial ? pseudo : whole));
        return frame.array();
    }

    /** Both addresses stand right before the TCP header in both families. */
    private static int pseudo(byte[] bytes, int tcp, int tcpLength) {
        return sum(bytes, tcp - (tcp == 54 ? 32 : 8), tcp, 6 + tcpLength);
    }

    /** The description of a frame. */
    static Packet decode(Packet.Way way, byte[] bytes, boolean partial) {
        ByteBuffer frame = ByteBuffer.wrap(bytes);
        boolean ipv6 = frame.getShort(12) == (short) 0x86dd;
        int tcp = ipv6 ? 54 : 34;
        int tcpLength = ipv6 ? frame.getShort(18) & 0xffff : (frame.getShort(16) & 0xffff) - 20;
        check(tcpLength == bytes.length - tcp, "length", bytes);
        check(ipv6 || sum(bytes, 14, 34, 0) == 0xffff, "IP checksum", bytes);
        check(!ipv6 || frame.get(20) == 6 && frame.get(14) == 0x60, "IPv6 header", bytes);
        int pseudo = pseudo(bytes, tcp, tcpLength);
        if (partial) {
            check((frame.getShort(tcp + 16) & 0xffff) == pseudo, "partial TCP checksum", bytes);
        } else {
            check(sum(bytes, tcp, bytes.length, pseudo) == 0xffff, "TCP checksum", bytes);
        }
        boolean fromClient = ipv6 ? frame.getLong(30) == CLIENT6 : frame.getInt(26) == CLIENT_ADDRESS;
        if (ipv6) {
            check(frame.getLong(22) == NET6 && frame.getLong(38) == NET6, "addresses", bytes);
            check(frame.getLong(46) == (fromClient ? VIP6 : CLIENT6), "addresses", bytes);
            check(frame.getLong(30) == (fromClient ? CLIENT6 : VIP6), "addresses", bytes);
        } else {
            check(frame.getInt(30) == (fromClient ? VIP : CLIENT_ADDRESS), "addresses", bytes);
            check(frame.getInt(26) == (fromClient ? CLIENT_ADDRESS : VIP), "addresses", bytes);
        }
        int clientPort = frame.getShort(fromClient ? tcp : tcp + 2) & 0xffff;
        int servicePort = frame.getShort(fromClient ? tcp + 2 : tcp) & 0xffff;
        check(clientPort == CLIENT_PORT && servicePort == SERVICE_PORT, "ports", bytes);
        int payloadAt = tcp + (frame.get(tcp + 12) >>> 4 & 15) * 4;
        return new Packet(
                way,
                frame.getLong(4) & 0xffff_ffff_ffffL,
                frame.getLong(0) >>> 16,
                frame.getInt(tcp + 4),
                frame.getInt(tcp + 8),
                frame.get(tcp + 13) & 0xff,
                frame.getShort(tcp + 14) & 0xffff,
                decodeOptions(frame, tcp + 20, payloadAt),
                new String(bytes, payloadAt, bytes.length - payloadAt, StandardCharsets.ISO_8859_1));
    }

    private static void check(boolean right, String what, byte[] bytes) {
        if (!right) {
            throw new AssertionError("wrong " + what + " in a frame of " + bytes.length + " bytes");
        }
    }

    private static void mac(ByteBuffer frame, long mac) {
        frame.putShort((short) (mac >>> 32)).putInt((int) mac);
    }

    /** The one's complement sum of 16-bit words, word by word. */
    private static int sum(byte[] bytes, int from, int to, int start) {
        int sum = start;
        for (int i = from; i < to; i += 2) {
            int low = i + 1 < to ? bytes[i + 1] & 0xff : 0;
            sum += (bytes[i] & 0xff) << 8 | low;
            sum = (sum & 0xffff) + (sum >>> 16);
        }
        return (sum & 0xffff) + (sum >>> 16);
    }

    private static byte[] encodeOptions(String options) {
        ByteBuffer out = ByteBuffer.allocate(40);
        for (String option : options.isEmpty() ? new String[0] : options.split(" ", -1)) {
            String value = option.substring(option.indexOf('=') + 1);
            if (option.equals("nop")) {
                out.put((byte) 1);
            } else if (option.startsWith("mss=")) {
                out.putShort((short) 0x0204).putShort((short) Integer.parseInt(value));
            } else if (option.equals("sackok")) {
                out.putInt(0x0101_0402);
            } else if (option.startsWith("ts=")) {
                String[] both = value.split("/", -1);
                out.putShort((short) 0x080a);
                out.putInt(Integer.parseUnsignedInt(both[0])).putInt(Integer.parseUnsignedInt(both[1]));
            } else if (option.startsWith("raw=")) {
                out.put(HexFormat.of().parseHex(value));
            } else if (option.startsWith("wscale=")) {
                out.putInt(0x0103_0300 | Integer.parseInt(value));
            } else {
                String[] edges = value.split("[-,]", -1);
                out.put((byte) 5).put((byte) (2 + 4 * edges.length));
                for (String edge : edges) {
                    out.putInt(Integer.parseUnsignedInt(edge));
                }
            }
        }
        byte[] padded = new byte[(out.position() + 3) / 4 * 4];
        System.arraycopy(out.array(), 0, padded, 0, out.position());
        return padded;
    }

    private static String decodeOptions(ByteBuffer frame, int from, int to) {
        List<String> options = new ArrayList<>();
        int i = from;
        while (i < to && frame.get(i) != 0) {
            int kind = frame.get(i);
            int size = kind == 1 ? 1 : frame.get(i + 1);
            if (kind == 2) {
                options.add("mss=" + (frame.getShort(i + 2) & 0xffff));
            } else if (kind == 3) {
                options.add("wscale=" + frame.get(i + 2));
            } else if (kind == 4) {
                options.add("sackok");
            } else if (kind == 8) {
                options.add(timestamps(frame.getInt(i + 2), frame.getInt(i + 6)));
            } else if (kind == 5) {
                List<String> blocks = new ArrayList<>();
                for (int at = i + 2; at < i + size; at += 8) {
                    blocks.add(sackBlock(frame.getInt(at), frame.getInt(at + 4)));
                }
                options.add("sack=" + String.join(",", blocks));
            }
            i += size;
        }
        return String.join(" ", options);
    }

    /** The timestamps option's text. */
    static String timestamps(int value, int echo) {
        return "ts=" + Integer.toUnsignedString(value) + "/" + Integer.toUnsignedString(echo);
    }

    /** A SACK block in an option's text. */
    static String sackBlock(int left, int right) {
        return Integer.toUnsignedString(left) + "-" + Integer.toUnsignedString(right);
    }
}
