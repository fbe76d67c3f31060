package org.dwsr.session;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.function.IntPredicate;
import org.dwsr.config.ConfigTrees;
import org.dwsr.config.DwsrConfig;
import org.dwsr.config.PoolConfig;
import org.dwsr.http.ResponseHead;
import org.dwsr.pool.Scheduler;
import org.dwsr.pool.ServerLoad;
import org.dwsr.rule.Requests;
import org.dwsr.rule.RuleTable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PolicyAllocationTest {
    private static final int ROUNDS = 20_000;
    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    private long patched;
    private long chosen;

    @ParameterizedTest
    @ValueSource(strings = {"rr", "wrr", "lc", "wlc", "sourceHash"})
    void shouldAllocateNothingPerRequest(String schedule) {
        DwsrConfig config = ConfigTrees.read(ConfigTrees.withPool(schedule, 1, 2, 3, 4));
        PoolConfig pool = config.pools().get(0);
        RuleTable rules = new RuleTable(config.services().get(0));
        SessionCookies cookies = new SessionCookies(config.sessionCookies());
        Scheduler scheduler = new Scheduler(config, pool);
        ServerLoad load = new ServerLoad(config.servers().size());
        Requests request =
                Requests.request("GET", "/img/a.jpg?x", "app.example.org", "Cookie: a=b; DR0189C2D=c; DR0209C1D=d");
        byte[] bytes = "HTTP/1.1 200 OK\r\nSet-Cookie: PHPSESSID=c\r\n\r\n".getBytes(StandardCharsets.US_ASCII);
        ByteBuffer response = ByteBuffer.wrap(bytes);
        ResponseHead responseHead = new ResponseHead();
        assertThat(responseHead.parse(response, 0, bytes.length)).isEqualTo(bytes.length);
        IntPredicate eligible = pool::contains;
        ServerFilter accepted = id -> pool.contains(config.serverIndexById(id));
        PatchSink sink = (offset, replacement8) -> patched += replacement8 == 0 ? 0 : 1;
        Runnable onePass = () -> {
            int contentType = rules.match(request.buf, request.head);
            int serverId = cookies.findServer(request.buf, request.head, contentType, accepted);
            cookies.restore(request.buf, request.head, contentType, serverId, sink);
            cookies.rename(response, responseHead, contentType, serverId, sink);
            chosen += scheduler.choose(serverId, eligible, load) >= 0 ? 1 : 0;
        };
        for (int i = 0; i < ROUNDS; i++) {
            onePass.run();
        }
        long before = THREADS.getThreadAllocatedBytes(Thread.currentThread().getId());
        for (int i = 0; i < ROUNDS; i++) {
            onePass.run();
        }
        long allocated = THREADS.getThreadAllocatedBytes(Thread.currentThread().getId()) - before;
        // The smallest object has 16 bytes; what is left is the measuring itself.
        assertThat(allocated).isLessThan(ROUNDS);
        // Every pass did all of it.
        assertThat(patched).isEqualTo(4L * ROUNDS);
        assertThat(chosen).isEqualTo(2L * ROUNDS);
    }
}
