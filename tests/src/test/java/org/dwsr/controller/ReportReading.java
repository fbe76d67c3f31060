package org.dwsr.controller;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Map;
import java.util.function.Consumer;
import org.dwsr.switching.FilterReport;

/** Lets the fuzz target read what a filter posts, which nobody outside the package can. */
public final class ReportReading {
    private ReportReading() {}

    /** Reads a body: gives its report to one taker and its counters as text to nobody, or tells why it is refused. */
    public static void read(byte[] body, Consumer<FilterReport> taken, Consumer<String> refused) {
        ReportReader reader;
        try {
            reader = new ReportReader("s1", body);
        } catch (ReportReader.Malformed e) {
            refused.accept(String.valueOf(e.getMessage()));
            return;
        }
        taken.accept(reader.report());
        try {
            CounterText.render(Map.of("packet_ins", 1L), Map.of("s1", reader.counters()));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
