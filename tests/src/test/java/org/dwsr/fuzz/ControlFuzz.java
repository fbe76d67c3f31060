package org.dwsr.fuzz;

import com.code_intelligence.jazzer.api.FuzzedDataProvider;
import com.fasterxml.jackson.core.JsonProcessingException;
import java.nio.ByteBuffer;
import org.dwsr.config.ConfigException;
import org.dwsr.config.DwsrConfig;
import org.dwsr.filter.FilterCore;
import org.dwsr.filter.FilterOutput;
import org.dwsr.filter.host.ConfigurationReading;

/**
 * Any text as what a web switch answers a filter, and a sound answer with parts replaced: refused as the filter refuses
 * it, or a configuration that a filter can run with.
 */
public final class ControlFuzz {
    private static final String ANSWER = "{\"config\":" + Targets.DOCUMENT + ",\"version\":7}";

    private static final FilterOutput NOBODY = new FilterOutput() {
        @Override
        public void toHost(ByteBuffer frame, int offset, int length) {}

        @Override
        public void toNetwork(ByteBuffer frame, int offset, int length) {}
    };

    private ControlFuzz() {}

    public static void fuzzerTestOneInput(FuzzedDataProvider data) {
        FuzzedPackets packets = new FuzzedPackets(data);
        ByteBuffer frame = packets.segment(data.consumeBoolean());
        StringBuilder body = new StringBuilder(ANSWER);
        for (int i = data.consumeInt(-1, 2); i >= 0; i--) {
            int from = data.consumeInt(0, body.length());
            int to = data.consumeInt(from, Math.min(body.length(), from + 40));
            body.replace(from, to, data.consumeString(60));
        }
        String text = data.consumeBoolean() ? data.consumeRemainingAsString() : body.toString();
        DwsrConfig config;
        try {
            config = ConfigurationReading.read(text);
        } catch (JsonProcessingException e) {
            return;
        } catch (ConfigException e) {
            Targets.check(!e.problems().isEmpty(), "refused without a problem");
            return;
        }
        FilterCore core = new FilterCore("s1", NOBODY);
        core.configure(config, 1);
        core.onNetworkFrame(frame, 0, packets.length(), false, 2);
        core.onHostFrame(frame, 0, packets.length(), false, 3);
        core.onTick(20_000_000_000L);
    }
}
