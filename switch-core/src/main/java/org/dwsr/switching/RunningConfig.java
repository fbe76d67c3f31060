package org.dwsr.switching;

import java.util.List;
import org.dwsr.config.Attachment;
import org.dwsr.config.DwsrConfig;
import org.dwsr.config.PoolConfig;
import org.dwsr.config.ServerConfig;
import org.dwsr.config.ServiceConfig;
import org.dwsr.pool.Scheduler;
import org.dwsr.pool.ServerLoad;
import org.dwsr.table.LongKeyedTable;
import org.jspecify.annotations.Nullable;

/** A configuration made ready for decisions: classifiers by port, schedulers by pool, servers by attachment. */
final class RunningConfig {
    static final int NO_SERVER = -1;

    final DwsrConfig config;
    final ServerLoad load;
    private final LongKeyedTable<RequestClassifier> classifiers = new LongKeyedTable<>();
    private final Scheduler[] schedulers;
    private final LongKeyedTable<ServerConfig> serverByAttachment = new LongKeyedTable<>();

    RunningConfig(DwsrConfig config) {
        this.config = config;
        load = new ServerLoad(config.servers().size());
        for (ServiceConfig service : config.services()) {
            classifiers.put(service.port(), new RequestClassifier(config, service));
        }
        List<PoolConfig> pools = config.pools();
        schedulers = new Scheduler[pools.size()];
        for (int i = 0; i < schedulers.length; i++) {
            schedulers[i] = new Scheduler(config, pools.get(i));
        }
        for (ServerConfig server : config.servers()) {
            Attachment at = server.attachment();
            serverByAttachment.put(attachmentKey(at.datapath(), at.port()), server);
        }
    }

    @Nullable
    RequestClassifier classifier(int servicePort) {
        return classifiers.get(servicePort);
    }

    Scheduler scheduler(PoolConfig pool) {
        return schedulers[pool.index()];
    }

    ServerConfig server(int index) {
        return config.servers().get(index);
    }

    /** The index of the server attached there, or {@link #NO_SERVER}. */
    int serverAt(long datapath, int port) {
        ServerConfig found = serverByAttachment.get(attachmentKey(datapath, port));
        return found != null
                        && found.attachment().datapath() == datapath
                        && found.attachment().port() == port
                ? found.index()
                : NO_SERVER;
    }

    /** Where clients enter when nothing better is known of a connection. */
    long defaultIngress(int server) {
        List<Attachment> clients = config.clients();
        return clients.isEmpty()
                ? server(server).attachment().datapath()
                : clients.get(0).datapath();
    }

    private static long attachmentKey(long datapath, int port) {
        return datapath * 0x1_0000_01b3L ^ (long) port << 48 ^ port;
    }
}
