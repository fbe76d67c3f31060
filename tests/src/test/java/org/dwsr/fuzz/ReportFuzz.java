package org.dwsr.fuzz;

import com.code_intelligence.jazzer.api.FuzzedDataProvider;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.dwsr.controller.ReportReading;
import org.dwsr.packet.IpAddress;
import org.dwsr.switching.FilterReport;
import org.dwsr.switching.SwitchOutput;
import org.dwsr.switching.SynCookie;
import org.dwsr.switching.WebSwitch;

/**
 * Any bytes as a filter's report, and a sound one with parts replaced: refused with a place, or taken by the web switch,
 * whose table then has no more connections than were told.
 */
public final class ReportFuzz implements SwitchOutput {
    private static final String REPORT = "{\"boot\":\"b1\",\"full\":true,\"live\":["
            + "{\"client\":\"10.0.0.1:40000\",\"port\":80,\"tag\":\"d6:52:00:59:9d:e0\",\"clientMac\":\"02:00:00:00:00:c1\"},"
            + "{\"client\":\"[fd00::1]:40000\",\"port\":80,\"tag\":\"d6:53:ff:ff:ff:ff\",\"clientMac\":\"02:00:00:00:00:c2\"}],"
            + "\"ended\":[{\"client\":\"10.0.0.1:40000\",\"port\":80,\"seq\":4294967295}],"
            + "\"counters\":{\"rebuilds\":3,\"bytes\":9223372036854775807}}";
    private static final SynCookie COOKIES = new SynCookie(new byte[16]);

    private final WebSwitch webSwitch = new WebSwitch(COOKIES, this);
    private long nowNs = 1L << 41;
    private int told;

    public static void fuzzerTestOneInput(FuzzedDataProvider data) {
        ReportFuzz fuzz = new ReportFuzz();
        fuzz.webSwitch.configure(Targets.CONFIG, fuzz.nowNs);
        for (int i = data.consumeInt(1, 4); i > 0 && data.remainingBytes() > 0; i--) {
            fuzz.post(body(data, i == 1));
        }
    }

    private static byte[] body(FuzzedDataProvider data, boolean last) {
        if (data.consumeInt(0, 7) == 0) {
            return last ? data.consumeRemainingAsBytes() : data.consumeBytes(200);
        }
        StringBuilder text = new StringBuilder(REPORT);
        for (int i = data.consumeInt(0, 3); i >= 0; i--) {
            int from = data.consumeInt(0, text.length());
            int to = data.consumeInt(from, Math.min(text.length(), from + 40));
            text.replace(from, to, last && i == 0 ? data.consumeRemainingAsString() : data.consumeString(60));
        }
        return text.toString().getBytes(StandardCharsets.UTF_8);
    }

    private void post(byte[] body) {
        nowNs += 50_000_000L;
        ReportReading.read(
                body,
                this::take,
                problem -> Targets.check(problem.startsWith("$") || problem.startsWith("not JSON"), problem));
        webSwitch.onTick(nowNs);
        webSwitch.counters((name, value) ->
                Targets.check(value >= 0 && (!name.equals("connections") || value <= told), name + " " + value));
    }

    private void take(FilterReport report) {
        told += report.liveCount();
        webSwitch.onFilterReport(report, nowNs);
    }

    @Override
    public void packetOut(long datapath, int port, ByteBuffer frame, int offset, int length) {}

    @Override
    public void installConnection(long datapath, long connectionKey, IpAddress client, int serverIndex) {}

    @Override
    public void removeConnection(long datapath, long connectionKey, IpAddress client) {}

    @Override
    public void installReturn(long datapath, long clientMac, boolean ipv6, int port) {}

    @Override
    public void removeReturn(long datapath, long clientMac, boolean ipv6) {}
}
