package org.dwsr.config;

import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** A place where something is plugged in: a switch (its OpenFlow datapath id) and a port, {@code of:%016x/port}. */
public final class Attachment {
    private static final String SCHEME = "of:";
    private static final int DATAPATH_DIGITS = 16;
    private static final int PORT_OFFSET = SCHEME.length() + DATAPATH_DIGITS + 1;

    private final long datapath;
    private final int port;

    /**
     * An attachment.
     *
     * @throws IllegalArgumentException if the port is not positive
     */
    public Attachment(long datapath, int port) {
        if (port <= 0) {
            throw new IllegalArgumentException("a switch's ports count from 1: " + port);
        }
        this.datapath = datapath;
        this.port = port;
    }

    /**
     * Reads the form ONOS uses: {@code of:} and 16 hexadecimal digits, a slash, a decimal port from 1 to 2147483647.
     *
     * @throws IllegalArgumentException if the text has any other form
     */
    public static Attachment parse(String text) {
        boolean framed = text.startsWith(SCHEME)
                && text.length() > PORT_OFFSET
                && text.length() <= PORT_OFFSET + 10
                && text.charAt(PORT_OFFSET - 1) == '/';
        if (!framed) {
            throw new IllegalArgumentException("not of:<16 hexadecimal digits>/<port>: " + text);
        }
        long datapath = 0;
        for (int i = SCHEME.length(); i < PORT_OFFSET - 1; i++) {
            datapath = datapath << 4 | digit(text, i, 16);
        }
        long port = 0;
        for (int i = PORT_OFFSET; i < text.length(); i++) {
            port = port * 10 + digit(text, i, 10);
        }
        if (port < 1 || port > Integer.MAX_VALUE || text.charAt(PORT_OFFSET) == '0') {
            throw new IllegalArgumentException("not a port from 1 to 2147483647: " + text);
        }
        return new Attachment(datapath, (int) port);
    }

    /** The OpenFlow datapath id of the switch, unsigned 64 bits. */
    public long datapath() {
        return datapath;
    }

    /** The OpenFlow port number, from 1. */
    public int port() {
        return port;
    }

    /** The text form, {@code of:0000000000000001/3}. */
    public String format() {
        return String.format(Locale.ROOT, "of:%016x/%d", datapath, port);
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof Attachment
                && ((Attachment) other).datapath == datapath
                && ((Attachment) other).port == port;
    }

    @Override
    public int hashCode() {
        return Long.hashCode(datapath) * 31 + port;
    }

    @Override
    public String toString() {
        return format();
    }

    private static int digit(String text, int offset, int radix) {
        char c = text.charAt(offset);
        int digit = c < 128 ? Character.digit(c, radix) : -1;
        if (digit < 0) {
            throw new IllegalArgumentException("not of:<16 hexadecimal digits>/<port>: " + text);
        }
        return digit;
    }
}
