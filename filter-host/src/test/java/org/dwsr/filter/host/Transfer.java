package org.dwsr.filter.host;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.Random;
import java.util.zip.CRC32C;

/**
 * A program that moves bytes over TCP and checks them, to be run inside network namespaces: {@code Transfer serve
 * ADDRESS PORT}; or {@code Transfer fetch|send ADDRESS PORT BYTES}, which prints the Mbit/s or fails; or {@code Transfer
 * ping ADDRESS 0 COUNT}.
 */
final class Transfer {
    private static final int CHUNK = 1 << 18;

    private Transfer() {}

    public static void main(String[] args) throws IOException {
        InetAddress address = InetAddress.getByName(args[1]);
        int port = Integer.parseInt(args[2]);
        if (args[0].equals("serve")) {
            serve(address, port);
        }
        long bytes = Long.parseLong(args[3]);
        if (args[0].equals("ping")) {
            ping(address, bytes);
            return;
        }
        long startNs = System.nanoTime();
        try (Socket socket = new Socket(address, port)) {
            DataOutputStream out = new DataOutputStream(socket.getOutputStream());
            DataInputStream in = new DataInputStream(socket.getInputStream());
            out.write(args[0].equals("fetch") ? 'f' : 's');
            out.writeLong(bytes);
            long expected;
            long found;
            if (args[0].equals("fetch")) {
                found = read(in, bytes);
                expected = in.readLong();
            } else {
                expected = write(out, bytes);
                found = in.readLong();
            }
            if (found != expected) {
                throw new IOException("checksums differ");
            }
        }
        System.out.println(Math.round(bytes * 8e3 / (System.nanoTime() - startNs)));
    }

    private static void ping(InetAddress address, long count) throws IOException {
        for (long i = 0; i < count; i++) {
            if (!address.isReachable(2000)) {
                throw new IOException("no answer to ping " + i);
            }
        }
    }

    private static void serve(InetAddress address, int port) throws IOException {
        try (ServerSocket listener = new ServerSocket(port, 16, address)) {
            System.out.write("ready\n".getBytes(StandardCharsets.US_ASCII));
            System.out.flush();
            while (true) {
                try (Socket socket = listener.accept()) {
                    DataInputStream in = new DataInputStream(socket.getInputStream());
                    DataOutputStream out = new DataOutputStream(socket.getOutputStream());
                    int command = in.read();
                    long bytes = in.readLong();
                    out.writeLong(command == 'f' ? write(out, bytes) : read(in, bytes));
                }
            }
        }
    }

    private static long write(OutputStream out, long bytes) throws IOException {
        byte[] chunk = new byte[CHUNK];
        new Random(1).nextBytes(chunk);
        CRC32C sum = new CRC32C();
        for (long left = bytes; left > 0; ) {
            int length = (int) Math.min(left, CHUNK);
            chunk[(int) (left % CHUNK)]++;
            sum.update(chunk, 0, length);
            out.write(chunk, 0, length);
            left -= length;
        }
        out.flush();
        return sum.getValue();
    }

    private static long read(InputStream in, long bytes) throws IOException {
        byte[] chunk = new byte[CHUNK];
        CRC32C sum = new CRC32C();
        for (long left = bytes; left > 0; ) {
            int length = in.read(chunk, 0, (int) Math.min(left, CHUNK));
            if (length < 0) {
                throw new IOException("the connection ended " + left + " bytes early");
            }
            sum.update(chunk, 0, length);
            left -= length;
        }
        return sum.getValue();
    }
}
