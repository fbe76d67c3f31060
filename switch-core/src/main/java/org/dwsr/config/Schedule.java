package org.dwsr.config;

import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** How a pool's next server is chosen for a request without a session cookie. */
public enum Schedule {
    /** Round robin. */
    RR("rr"),
    /** Smooth weighted round robin. */
    WRR("wrr"),
    /** Least connections. */
    LC("lc"),
    /** Least connections per weight. */
    WLC("wlc"),
    /** By the client's address, so that a client stays at its server. */
    SOURCE_HASH("sourceHash");

    private final String text;

    Schedule(String text) {
        this.text = text;
    }

    /** The word used in the configuration document. */
    public String text() {
        return text;
    }

    /** The schedule with this word, or round robin for any other. */
    static Schedule of(@Nullable String text) {
        for (Schedule schedule : values()) {
            if (schedule.text.equals(text)) {
                return schedule;
            }
        }
        return RR;
    }

    static List<String> texts() {
        return Arrays.stream(values()).map(Schedule::text).collect(Collectors.toUnmodifiableList());
    }
}
