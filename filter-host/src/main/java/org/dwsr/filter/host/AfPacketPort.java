package org.dwsr.filter.host;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/**
 * One network interface, opened raw: a socket with a receive ring and a socket to send, both with virtio headers, so
 * that frames keep their segmentation offload and their partial checksums on the way through (packet(7)).
 *
 * <p>Opened and closed on any thread, otherwise used by one.
 */
final class AfPacketPort {
    private static final int SEND_BUFFER_BYTES = 4 << 20;
    /** For the frames that exceed their slot: what several servers' connections may have under way. */
    private static final int RECEIVE_BUFFER_BYTES = 32 << 20;

    private static final int SOCKADDR_LL_LENGTH = 20;
    private static final int PACKET_MREQ_LENGTH = 16;
    private static final int IFREQ_VALUE_OFFSET = 16;

    private final Libc libc;
    private final String name;
    private final int interfaceIndex;
    private final PortCounters counters;
    private final NativeBytes scratch = NativeBytes.allocate(64);

    private int receiveFd = -1;
    private int sendFd = -1;
    private long ringAddress;
    private int ringBytes;
    private final ReceiveRing ring;
    private final TransmitQueue queue;

    private AfPacketPort(Libc libc, String name, int ringMegabytes, PortCounters counters) throws IOException {
        this.libc = libc;
        this.name = name;
        this.counters = counters;
        interfaceIndex = libc.if_nametoindex(name);
        if (interfaceIndex == 0) {
            throw new IOException("no such interface");
        }
        try {
            // Protocol 0 until the ring is in place: else frames would pile up in the socket's ordinary queue.
            receiveFd = check("socket", libc.socket(Libc.AF_PACKET, Libc.SOCK_RAW | Libc.SOCK_CLOEXEC, 0));
            set(receiveFd, "PACKET_VERSION", Libc.PACKET_VERSION, Libc.TPACKET_V2);
            set(receiveFd, "PACKET_VNET_HDR", Libc.PACKET_VNET_HDR, 1);
            set(receiveFd, "PACKET_IGNORE_OUTGOING", Libc.PACKET_IGNORE_OUTGOING, 1);
            // Frames that exceed their slot come through the socket's ordinary queue as well.
            set(receiveFd, "PACKET_COPY_THRESH", Libc.PACKET_COPY_THRESH, 1);
            scratch.buffer().putInt(0, RECEIVE_BUFFER_BYTES);
            check(
                    "SO_RCVBUFFORCE",
                    libc.setsockopt(receiveFd, Libc.SOL_SOCKET, Libc.SO_RCVBUFFORCE, scratch.address(), 4));
            int mtuBytes = readMtu(receiveFd);
            int slotBytes = SlotSize.bytes(mtuBytes);
            ring = new ReceiveRing(mapRing(ringMegabytes, slotBytes), slotBytes, this::receive, counters);
            bind(receiveFd, Libc.ETH_P_ALL);
            joinPromiscuously();

            sendFd = check("socket", libc.socket(Libc.AF_PACKET, Libc.SOCK_RAW | Libc.SOCK_CLOEXEC, 0));
            set(sendFd, "PACKET_VNET_HDR", Libc.PACKET_VNET_HDR, 1);
            scratch.buffer().putInt(0, SEND_BUFFER_BYTES);
            check(
                    "SO_SNDBUFFORCE",
                    libc.setsockopt(sendFd, Libc.SOL_SOCKET, Libc.SO_SNDBUFFORCE, scratch.address(), 4));
            // Protocol 0 also for good: this socket never receives.
            bind(sendFd, 0);
            queue = new TransmitQueue(this::send, mtuBytes, counters);
        } catch (IOException | RuntimeException failed) {
            close();
            throw failed;
        }
    }

    /**
     * Opens an interface of the process's network namespace.
     *
     * @param ringMegabytes the receive ring's size
     * @throws IOException if it does not exist, or the process may not
     */
    static AfPacketPort open(Libc libc, String name, int ringMegabytes, PortCounters counters) throws IOException {
        return new AfPacketPort(libc, name, ringMegabytes, counters);
    }

    /**
     * Checks that this process may open raw sockets.
     *
     * @throws IOException if it may not
     */
    static void checkPermission(Libc libc) throws IOException {
        int fd = libc.socket(Libc.AF_PACKET, Libc.SOCK_RAW | Libc.SOCK_CLOEXEC, 0);
        if (fd < 0) {
            throw failure(libc, "socket");
        }
        libc.close(fd);
    }

    private NativeBytes mapRing(int ringMegabytes, int slotBytes) throws IOException {
        int blockBytes = SlotSize.blockBytes(slotBytes);
        int blocks = Math.max(1, (int) (((long) ringMegabytes << 20) / blockBytes));
        scratch.buffer()
                .putInt(0, blockBytes)
                .putInt(4, blocks)
                .putInt(8, slotBytes)
                .putInt(12, blocks * (blockBytes / slotBytes));
        check(
                "PACKET_RX_RING",
                libc.setsockopt(receiveFd, Libc.SOL_PACKET, Libc.PACKET_RX_RING, scratch.address(), 16));
        long mapped = libc.mmap(0, (long) blocks * blockBytes, Libc.PROT_READ_WRITE, Libc.MAP_SHARED, receiveFd, 0, 0);
        if (mapped == -1) {
            throw failure(libc, "mmap");
        }
        ringAddress = mapped;
        ringBytes = blocks * blockBytes;
        return NativeBytes.at(ringAddress, ringBytes);
    }

    private void bind(int fd, int protocol) throws IOException {
        ByteBuffer address = scratch.buffer();
        address.putShort(0, (short) Libc.AF_PACKET);
        address.duplicate().order(ByteOrder.BIG_ENDIAN).putShort(2, (short) protocol);
        address.putInt(4, interfaceIndex).putLong(8, 0).putInt(16, 0);
        check("bind", libc.bind(fd, scratch.address(), SOCKADDR_LL_LENGTH));
    }

    private void joinPromiscuously() throws IOException {
        ByteBuffer request = scratch.buffer();
        request.putInt(0, interfaceIndex).putShort(4, (short) Libc.PACKET_MR_PROMISC);
        request.putShort(6, (short) 0).putLong(8, 0);
        check(
                "PACKET_ADD_MEMBERSHIP",
                libc.setsockopt(
                        receiveFd, Libc.SOL_PACKET, Libc.PACKET_ADD_MEMBERSHIP, scratch.address(), PACKET_MREQ_LENGTH));
    }

    private int readMtu(int fd) throws IOException {
        byte[] bytes = name.getBytes(StandardCharsets.UTF_8);
        ByteBuffer request = scratch.buffer();
        request.putLong(0, 0).putLong(8, 0).putLong(16, 0).putLong(24, 0).putLong(32, 0);
        request.put(0, bytes, 0, bytes.length);
        check("SIOCGIFMTU", libc.ioctl(fd, Libc.SIOCGIFMTU, scratch.address()));
        return request.getInt(IFREQ_VALUE_OFFSET);
    }

    private void set(int fd, String what, int option, int value) throws IOException {
        scratch.buffer().putInt(0, value);
        check(what, libc.setsockopt(fd, Libc.SOL_PACKET, option, scratch.address(), 4));
    }

    private int check(String what, int result) throws IOException {
        if (result < 0) {
            throw failure(libc, what);
        }
        return result;
    }

    private static IOException failure(Libc libc, String what) {
        int error = Libc.lastError();
        String why = libc.strerror(error);
        if (error == Libc.EPERM || error == Libc.EACCES) {
            why += " (raw sockets need root, or CAP_NET_RAW and CAP_NET_ADMIN)";
        }
        return new IOException(what + ": " + why);
    }

    private int receive(long address, int lengthBytes) {
        return (int) libc.recv(receiveFd, address, lengthBytes, Libc.MSG_DONTWAIT);
    }

    private int send(long vectorAddress, int count) {
        int sent = libc.sendmmsg(sendFd, vectorAddress, count, Libc.MSG_DONTWAIT);
        return sent >= 0 ? sent : -Libc.lastError();
    }

    String name() {
        return name;
    }

    /** The frames that arrived. */
    ReceiveRing ring() {
        return ring;
    }

    /** The frames that wait to leave. */
    TransmitQueue queue() {
        return queue;
    }

    /** What to poll for received frames. */
    int receiveFd() {
        return receiveFd;
    }

    /** Whether the interface this port was opened on is gone, even if a new one bears its name. */
    boolean gone() {
        return libc.if_nametoindex(name) != interfaceIndex;
    }

    /** Reads and so resets the receive socket's pending error, which would make every poll return at once. */
    void clearError() {
        scratch.buffer().putInt(0, 0).putInt(8, 4);
        libc.getsockopt(receiveFd, Libc.SOL_SOCKET, Libc.SO_ERROR, scratch.address(), scratch.address() + 8);
    }

    /** Adds the frames the kernel had to drop since the last call to the counters. */
    void readKernelDrops() {
        scratch.buffer().putLong(0, 0).putInt(8, 8);
        int result = libc.getsockopt(
                receiveFd, Libc.SOL_PACKET, Libc.PACKET_STATISTICS, scratch.address(), scratch.address() + 8);
        if (result == 0) {
            counters.add(PortCounter.RX_KERNEL_DROPS, scratch.buffer().getInt(4) & 0xffff_ffffL);
        }
    }

    /** Unmaps the ring and closes both sockets; nobody may hold one of the ring's frames any more. */
    void close() {
        if (ringAddress != 0) {
            libc.munmap(ringAddress, ringBytes);
            ringAddress = 0;
        }
        if (receiveFd >= 0) {
            libc.close(receiveFd);
            receiveFd = -1;
        }
        if (sendFd >= 0) {
            libc.close(sendFd);
            sendFd = -1;
        }
    }
}
