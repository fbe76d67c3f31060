package org.dwsr.switching;

import java.util.ArrayList;
import java.util.List;
import org.dwsr.packet.IpAddress;

/** A filter's report on its way into a {@link SwitchLab}. */
final class LabReport {
    private final SwitchLab lab;
    private final String server;
    private String boot = "boot-1";
    private boolean full;
    private final List<Long> live = new ArrayList<>();
    private final List<Long> ended = new ArrayList<>();
    private final List<IpAddress> liveClients = new ArrayList<>();
    private final List<IpAddress> endedClients = new ArrayList<>();

    LabReport(SwitchLab lab, String server) {
        this.lab = lab;
        this.server = server;
    }

    /** Another process of this filter than the first. */
    LabReport boot(String word) {
        boot = word;
        return this;
    }

    LabReport full() {
        full = true;
        return this;
    }

    LabReport live(LabClient client, long tag) {
        return live(client, tag, client.mac);
    }

    LabReport live(LabClient client, long tag, long clientMac) {
        liveClients.add(client.ip);
        live.addAll(List.of(client.key(), tag, clientMac));
        return this;
    }

    /** The connection whose offsets were set by the request at this sequence number has ended. */
    LabReport ended(LabClient client, int seq) {
        endedClients.add(client.ip);
        ended.addAll(List.of(client.key(), (long) client.isn + seq));
        return this;
    }

    boolean send() {
        int lives = live.size() / 3;
        long[] keys = new long[lives];
        long[] tags = new long[lives];
        long[] macs = new long[lives];
        for (int i = 0; i < lives; i++) {
            keys[i] = live.get(i * 3);
            tags[i] = live.get(i * 3 + 1);
            macs[i] = live.get(i * 3 + 2);
        }
        int ends = ended.size() / 2;
        long[] endedKeys = new long[ends];
        int[] endedSeqs = new int[ends];
        for (int i = 0; i < ends; i++) {
            endedKeys[i] = ended.get(i * 2);
            endedSeqs[i] = ended.get(i * 2 + 1).intValue();
        }
        return lab.webSwitch.onFilterReport(
                new FilterReport(
                        server,
                        boot,
                        full,
                        keys,
                        liveClients.toArray(new IpAddress[0]),
                        tags,
                        macs,
                        endedKeys,
                        endedClients.toArray(new IpAddress[0]),
                        endedSeqs),
                lab.nowNs);
    }
}
