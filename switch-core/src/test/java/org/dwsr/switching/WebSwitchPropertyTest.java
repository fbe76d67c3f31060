package org.dwsr.switching;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.dwsr.config.ConfigTrees;
import org.dwsr.config.SeededRounds;
import org.dwsr.packet.MigrationTag;
import org.junit.jupiter.api.Test;

/**
 * Random interleavings of what clients, filters, switches and time may do to a handful of connections. The filters'
 * side is a small model of its own: who has a connection, and since which request.
 */
class WebSwitchPropertyTest {
    private static final int CLIENTS = 6;
    private static final int STEPS = 150;
    private static final String IMAGE = "GET /img/a HTTP/1.1\r\nHost: a\r\n\r\n";
    private static final String PAGE = "GET /a.php HTTP/1.1\r\nHost: a\r\n\r\n";
    private static final String BROKEN = "GET / HTTP/1.1\r\nHost : a\r\n\r\n";

    /** What one client and the filters know of its connection. */
    private static final class Peer {
        final LabClient client;
        boolean shaken;
        /** The server whose filter has the connection by the last tagged request; empty when none. */
        String server = "";

        int offsetSeq;
        int next = 1;
        int ack = 1;

        Peer(LabClient client) {
            this.client = client;
        }
    }

    private static final class Run {
        final SwitchLab lab = new SwitchLab();
        final Random random;
        final Peer[] peers = new Peer[CLIENTS];
        final Map<String, String> flows = new HashMap<>();
        int syns;

        Run(Random random) {
            this.random = random;
            for (int i = 0; i < CLIENTS; i++) {
                peers[i] = new Peer(lab.client(i + 1));
                peers[i].client.isn = random.nextInt();
            }
        }

        String request() {
            int kind = random.nextInt(20);
            return kind == 0 ? BROKEN : kind < 10 ? IMAGE : PAGE;
        }

        void step() {
            Peer peer = peers[random.nextInt(CLIENTS)];
            switch (random.nextInt(12)) {
                case 0:
                    anew(peer);
                    break;
                case 1:
                case 2:
                    first(peer, request(), random.nextInt(4) == 0);
                    break;
                case 3:
                    duplicate(peer);
                    break;
                case 4:
                case 5:
                    bounce(peer, request());
                    break;
                case 6:
                    refuse(peer);
                    break;
                case 7:
                    end(peer);
                    break;
                case 8:
                    stray(peer);
                    break;
                case 9:
                    flowTimesOut(peer);
                    break;
                default:
                    lab.pass(5L * random.nextInt(60));
                    break;
            }
            absorb();
        }

        void sent(LabPacket packet) {
            Map<String, Long> before = values();
            packet.send();
            Map<String, Long> after = values();
            after.keySet()
                    .removeAll(List.of(
                            "packet_ins", "connections", "waiting_segments", "gathering_heads", "return_flows"));
            assertThat(after.entrySet())
                    .as("a packet that nothing counts")
                    .anyMatch(counter -> counter.getValue() > before.getOrDefault(counter.getKey(), 0L));
        }

        Map<String, Long> values() {
            Map<String, Long> values = new HashMap<>();
            lab.webSwitch.counters(values::put);
            return values;
        }

        void anew(Peer peer) {
            if (!peer.server.isEmpty() && random.nextInt(3) > 0) {
                return;
            }
            peer.client.isn += 1_000_000 + random.nextInt(1_000_000);
            LabPacket syn = peer.client.syn();
            if (!peer.server.isEmpty()) {
                syn.bouncedBy(peer.server);
            }
            sent(syn);
            syns++;
            sent(peer.client.packet("A"));
            peer.shaken = true;
            peer.next = 1;
            peer.ack = 1;
        }

        void first(Peer peer, String request, boolean inPieces) {
            if (!peer.shaken) {
                return;
            }
            peer.shaken = false;
            int cut = inPieces ? 1 + random.nextInt(request.length() - 1) : request.length();
            sent(peer.client.data(1, request.substring(0, cut)));
            if (cut < request.length()) {
                lab.pass(5L * random.nextInt(20));
                sent(peer.client.data(1 + cut, request.substring(cut)));
            }
            peer.next = 1 + request.length();
        }

        void duplicate(Peer peer) {
            if (peer.next > 1) {
                sent(peer.client.data(1, IMAGE));
            }
        }

        void bounce(Peer peer, String request) {
            if (peer.server.isEmpty() || peer.next == 1) {
                return;
            }
            peer.ack += 100;
            int kind = random.nextBoolean() ? MigrationTag.MOVED : MigrationTag.HELD;
            int cut = random.nextInt(3) == 0 ? 4 : request.length();
            String from = peer.server;
            sent(peer.client
                    .data(peer.next, request.substring(0, cut))
                    .ack(peer.ack)
                    .bouncedBy(from, kind));
            if (cut < request.length()) {
                sent(peer.client
                        .data(peer.next + cut, request.substring(cut))
                        .ack(peer.ack)
                        .bouncedBy(from, kind));
            }
            peer.next += request.length();
        }

        void refuse(Peer peer) {
            if (!peer.server.isEmpty()) {
                sent(peer.client
                        .data(peer.offsetSeq, IMAGE)
                        .ack(peer.ack)
                        .bouncedBy(peer.server, MigrationTag.REFUSED));
            }
        }

        void end(Peer peer) {
            if (!peer.server.isEmpty()) {
                lab.report(peer.server).ended(peer.client, peer.offsetSeq).send();
                peer.server = "";
            }
        }

        void stray(Peer peer) {
            switch (random.nextInt(6)) {
                case 0:
                    sent(peer.client.packet("A").seq(peer.next).ack(peer.ack));
                    break;
                case 1:
                    sent(peer.client.packet("FA").seq(peer.next).ack(peer.ack));
                    break;
                case 2:
                    sent(peer.client.packet("R").seq(peer.next + random.nextInt(3)));
                    break;
                case 3:
                    sent(peer.client.data(random.nextInt(), "junk").ack(random.nextInt()));
                    break;
                case 4:
                    sent(peer.client.data(peer.next, "junk").ack(peer.ack).bouncedBy("s2"));
                    break;
                default:
                    sent(peer.client.packet("A").seq(peer.next).ack(peer.ack).bouncedBy("s3", MigrationTag.CONFIRM));
                    break;
            }
        }

        void flowTimesOut(Peer peer) {
            if (flows.remove(peer.client.toString()) != null) {
                lab.webSwitch.onFlowRemoved(SwitchLab.DATAPATH, peer.client.key(), lab.nowNs);
            }
        }

        /** Lets the model's switches and filters follow what the web switch decided. */
        void absorb() {
            for (String decision : lab.decisions()) {
                String[] words = decision.split("[ >]", 4);
                if (words[0].equals("flow")) {
                    flows.put(words[1], words[2]);
                } else if (words[0].equals("unflow")) {
                    assertThat(flows.remove(words[1]))
                            .as("a flow that is not there")
                            .isNotNull();
                } else if (decision.matches("s\\d (fresh|moved|held)/.*")) {
                    follow(decision);
                }
            }
            check();
        }

        private void follow(String decision) {
            for (Peer peer : peers) {
                long key = peer.client.key();
                if (decision.contains(" seq=c+") && key == lab.lastKey(decision)) {
                    peer.server = decision.substring(0, 2);
                    peer.offsetSeq = Integer.parseInt(decision.replaceAll(".* seq=c\\+(-?\\d+) .*", "$1"));
                }
            }
        }

        void check() {
            int load = 0;
            for (int server = 0; server < 4; server++) {
                load += lab.webSwitch.load(server);
                assertThat(lab.webSwitch.load(server))
                        .as("load of server " + server)
                        .isEqualTo(lab.webSwitch.entriesOf(server));
            }
            assertThat((long) load).isLessThanOrEqualTo(lab.value("connections"));
            assertThat(flows.size()).isLessThanOrEqualTo(load);
            assertThat(lab.value(SwitchCounter.SYNS_ANSWERED)).isEqualTo(syns);
        }

        void endAll() {
            lab.pass(3_000);
            for (String server : new String[] {"s1", "s2", "s3", "s4"}) {
                lab.report(server).boot("boot-2").full().send();
            }
            absorb();
            for (int i = 0; i < 80; i++) {
                lab.passSeconds(1, false);
            }
            absorb();
            assertThat(lab.value("connections")).as("connections left").isZero();
            assertThat(lab.value("gathering_heads")).as("buffers left").isZero();
            assertThat(lab.value("waiting_segments")).as("segments left").isZero();
            assertThat(flows).as("flows left").isEmpty();
        }
    }

    @Test
    void shouldKeepItsBooksWhateverComesInWhateverOrder() {
        SeededRounds.forAll(150, random -> {
            Run run = new Run(random);
            for (int i = 0; i < STEPS; i++) {
                run.step();
            }
            run.endAll();
        });
    }

    @Test
    void shouldNeverThrowWhenBytesAreRandom() {
        SeededRounds.forAll(50, random -> {
            SwitchLab lab = new SwitchLab(ConfigTrees.example());
            LabClient client = lab.client(1).connectAndAsk(IMAGE);
            for (int i = 0; i < 200; i++) {
                LabPacket packet = client.data(random.nextInt(3_000), PAGE).ack(random.nextInt(300));
                if (random.nextBoolean()) {
                    packet.bouncedBy("s" + (1 + random.nextInt(4)), random.nextInt(8));
                }
                packet.sendSpoiled(frame -> {
                    if (random.nextInt(3) == 0) {
                        frame.put(12 + random.nextInt(80), (byte) random.nextInt());
                    }
                });
                lab.decisions();
            }
            assertThat(lab.value(SwitchCounter.PACKET_INS)).isGreaterThanOrEqualTo(203);
        });
    }
}
