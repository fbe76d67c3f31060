package org.dwsr.filter.host;

import jnr.ffi.LibraryLoader;
import jnr.ffi.Runtime;

/**
 * The C library's calls that a packet port needs, on 64-bit Linux. Addresses are native ones, as {@code long}. Calls
 * that fail return -1; {@link #lastError} then tells why.
 */
@SuppressWarnings({"MethodName", "checkstyle:MethodName"})
public interface Libc {
    int AF_PACKET = 17;
    int SOCK_RAW = 3;
    int SOCK_CLOEXEC = 0x80000;
    int ETH_P_ALL = 3;

    int SOL_SOCKET = 1;
    int SO_ERROR = 4;
    int SO_SNDBUFFORCE = 32;

    int SOL_PACKET = 263;
    int PACKET_ADD_MEMBERSHIP = 1;
    int PACKET_RX_RING = 5;
    int PACKET_STATISTICS = 6;
    int PACKET_VERSION = 10;
    int PACKET_VNET_HDR = 15;
    int PACKET_IGNORE_OUTGOING = 23;
    int PACKET_MR_PROMISC = 1;
    int TPACKET_V2 = 1;

    int SIOCGIFMTU = 0x8921;

    int PROT_READ_WRITE = 3;
    int MAP_SHARED = 1;
    int MSG_DONTWAIT = 0x40;
    short POLLIN = 1;

    int EPERM = 1;
    int EINTR = 4;
    int ENXIO = 6;
    int EAGAIN = 11;
    int EACCES = 13;
    int ENODEV = 19;
    int EMSGSIZE = 90;
    int ENETDOWN = 100;
    int ENOBUFS = 105;

    int socket(int domain, int type, int protocol);

    int close(int fd);

    int bind(int fd, long address, int lengthBytes);

    int setsockopt(int fd, int level, int option, long value, int lengthBytes);

    int getsockopt(int fd, int level, int option, long value, long lengthAddress);

    /**
     * Maps memory. The last argument is none that C knows: it keeps jnr-ffi 2.2.16 from its machine-code stub, which on
     * x86-64 passes a wrong sixth argument (seen: EINVAL from glibc because of the offset).
     */
    long mmap(long address, long lengthBytes, int protection, int flags, int fd, long offset, long ignored);

    int munmap(long address, long lengthBytes);

    int sendmmsg(int fd, long vectorAddress, int count, int flags);

    int poll(long fdsAddress, long count, int timeoutMs);

    int ioctl(int fd, long request, long argument);

    int if_nametoindex(String name);

    String strerror(int error);

    /** The C library of this process; loaded once. */
    static Libc get() {
        return Loaded.LIBC;
    }

    /** The error of the calling thread's last failed call. */
    static int lastError() {
        return Loaded.RUNTIME.getLastError();
    }

    /** Loads the C library when it is first asked for. */
    final class Loaded {
        private static final Libc LIBC = LibraryLoader.create(Libc.class).load("c");
        private static final Runtime RUNTIME = Runtime.getRuntime(LIBC);

        private Loaded() {}
    }
}
