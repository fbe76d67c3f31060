package org.dwsr.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.dwsr.config.ConfigTrees.list;
import static org.dwsr.config.ConfigTrees.listAt;
import static org.dwsr.config.ConfigTrees.object;
import static org.dwsr.config.ConfigTrees.objectAt;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.dwsr.packet.IpAddress;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ConfigReaderTest {
    private final Map<String, Object> tree = ConfigTrees.example();

    private static List<ConfigProblem> problemsOf(@Nullable Object tree) {
        try {
            ConfigReader.read(tree);
        } catch (ConfigException e) {
            return e.problems();
        }
        return List.of();
    }

    private static ConfigProblem problemOf(@Nullable Object tree) {
        List<ConfigProblem> problems = problemsOf(tree);
        assertThat(problems).hasSize(1);
        return problems.get(0);
    }

    private void assertProblem(String path, String found, String allowedPart) {
        ConfigProblem problem = problemOf(tree);
        assertThat(problem.path()).isEqualTo(path);
        assertThat(problem.found()).isEqualTo(found);
        assertThat(problem.allowed()).contains(allowedPart);
    }

    private Map<String, Object> service() {
        return objectAt(tree, "services", 0);
    }

    private Map<String, Object> server(int index) {
        return objectAt(tree, "servers", index);
    }

    private Map<String, Object> contentType(int index) {
        return objectAt(tree, "services", 0, "contentTypes", index);
    }

    @Nested
    class WithTheDesignsDocument {
        @Test
        void shouldReadEveryPart() {
            DwsrConfig config = ConfigTrees.read(tree);
            assertThat(config.vip(false).toString()).isEqualTo("10.0.0.100");
            assertThat(MacAddress.format(config.vmac())).isEqualTo("02:00:5e:00:01:64");
            assertThat(config.clients()).containsExactly(new Attachment(1, 1));
            assertThat(config.sessionCookies()).containsExactly("PHPSESSID", "JSESSIONID", "ASP.NET_SessionId");
            assertThat(config.control()).isNull();

            ServiceConfig service = config.services().get(0);
            assertThat(service.port()).isEqualTo(80);
            assertThat(service.handshake()).isEqualTo(Handshake.PROXY);
            assertThat(service.requests()).isEqualTo(RequestMode.GUARD);
            assertThat(service.otherwise()).isEqualTo(ThreeCharId.encode("020"));
            assertThat(service.contentTypes()).hasSize(2);
            ContentTypeConfig images = service.contentTypes().get(0);
            assertThat(images.id()).isEqualTo(ThreeCharId.encode("018"));
            assertThat(images.pool()).isEqualTo("images");
            assertThat(images.poolIndex()).isZero();
            assertThat(images.match().get(0).path()).isEqualTo("/img/*");
            assertThat(images.match().get(0).extension()).isNull();
            assertThat(images.match().get(1).extension()).isEqualTo("jpg");
            assertThat(service.contentType(ThreeCharId.encode("020")))
                    .isSameAs(service.contentTypes().get(1));
            assertThat(service.contentType(ThreeCharId.encode("021"))).isNull();

            PoolConfig app = config.pools().get(1);
            assertThat(app.name()).isEqualTo("app");
            assertThat(app.schedule()).isEqualTo(Schedule.WRR);
            assertThat(app.servers()).containsExactly(2, 3);
            assertThat(app.contains(3)).isTrue();
            assertThat(app.contains(1)).isFalse();

            ServerConfig s3 = config.servers().get(2);
            assertThat(s3.name()).isEqualTo("s3");
            assertThat(s3.index()).isEqualTo(2);
            assertThat(ThreeCharId.decode(s3.id())).isEqualTo("9C3");
            assertThat(s3.mac()).isEqualTo(0x0200_0000_0003L);
            assertThat(s3.attachment()).isEqualTo(new Attachment(1, 5));
            assertThat(s3.state()).isEqualTo(ServerState.UP);
        }

        @Test
        void shouldFindServicesAndServers() {
            DwsrConfig config = ConfigTrees.read(tree);
            assertThat(config.service(80)).isSameAs(config.services().get(0));
            assertThat(config.service(81)).isNull();
            assertThat(config.server("s2")).isSameAs(config.servers().get(1));
            assertThat(config.server("s9")).isNull();
            assertThat(config.serverIndex("s4")).isEqualTo(3);
            assertThat(config.serverIndex("")).isEqualTo(-1);
            for (ServerConfig server : config.servers()) {
                assertThat(config.serverById(server.id())).isSameAs(server);
                assertThat(config.serverIndexById(server.id())).isEqualTo(server.index());
            }
            assertThat(config.serverIndexById(0)).isEqualTo(-1);
            assertThat(config.serverIndexById(ThreeCharId.MAX)).isEqualTo(-1);
            assertThat(config.serverIndexById(ThreeCharId.MALFORMED)).isEqualTo(-1);
            assertThat(config.serverById(ThreeCharId.MAX)).isNull();
        }

        @Test
        void shouldFillInDefaultsWhenKeysAreMissing() {
            service().remove("handshake");
            service().remove("requests");
            server(0).remove("weight");
            server(0).remove("state");
            tree.remove("clients");
            tree.remove("sessionCookies");
            DwsrConfig config = ConfigTrees.read(tree);
            assertThat(config.services().get(0).requests()).isEqualTo(RequestMode.GUARD);
            assertThat(config.servers().get(0).weight()).isEqualTo(1);
            assertThat(config.servers().get(0).state()).isEqualTo(ServerState.UP);
            assertThat(config.clients()).isEmpty();
            assertThat(config.sessionCookies()).isEmpty();
        }

        @Test
        void shouldReadTheOtherChoices() {
            service().put("requests", "switch");
            server(0).put("weight", 1000L);
            server(0).put("state", "drained");
            objectAt(tree, "pools", 0).put("schedule", "sourceHash");
            tree.put("control", object("listen", "127.0.0.1:8780", "keyFile", "/etc/dwsr/key"));
            contentType(0)
                    .put(
                            "match",
                            list(object(
                                    "host",
                                    "*.Example.org",
                                    "method",
                                    "GET",
                                    "header",
                                    object("name", "Accept", "value", "image/*"),
                                    "cookie",
                                    object("name", "beta"))));
            DwsrConfig config = ConfigTrees.read(tree);
            assertThat(config.services().get(0).requests()).isEqualTo(RequestMode.SWITCH);
            assertThat(config.servers().get(0).weight()).isEqualTo(1000);
            assertThat(config.servers().get(0).state()).isEqualTo(ServerState.DRAINED);
            assertThat(config.pools().get(0).schedule()).isEqualTo(Schedule.SOURCE_HASH);
            assertThat(config.control()).isNotNull().satisfies(control -> {
                assertThat(control.listen()).isEqualTo("127.0.0.1:8780");
                assertThat(control.keyFile()).isEqualTo("/etc/dwsr/key");
            });
            MatchConfig match =
                    config.services().get(0).contentTypes().get(0).match().get(0);
            assertThat(match.host()).isEqualTo("*.example.org");
            assertThat(match.method()).isEqualTo("GET");
            assertThat(match.header()).isNotNull().satisfies(header -> {
                assertThat(header.name()).isEqualTo("Accept");
                assertThat(header.value()).isEqualTo("image/*");
            });
            assertThat(match.cookie()).isNotNull().satisfies(cookie -> {
                assertThat(cookie.name()).isEqualTo("beta");
                assertThat(cookie.value()).isNull();
            });
        }

        @Test
        void shouldLetOnlyTheOtherwiseBeWithoutConditions() {
            contentType(1).remove("match");
            assertThat(problemsOf(tree)).isEmpty();
            contentType(1).put("match", list());
            assertThat(problemsOf(tree)).isEmpty();
            service().put("otherwise", "018");
            assertProblem("$.services[0].contentTypes[1].match", "an empty list", "at least one condition");
        }

        @Test
        void shouldKeepItsOwnTreeWhenTheCallersChanges() {
            DwsrConfig config = ConfigTrees.read(tree);
            assertThat(config.tree()).isEqualTo(ConfigTrees.example());
            tree.put("vip", "10.0.0.7");
            server(0).put("name", "other");
            assertThat(config.tree()).isEqualTo(ConfigTrees.example());
            assertThatThrownBy(() -> config.tree().remove("vip")).isInstanceOf(UnsupportedOperationException.class);
            assertThatThrownBy(() -> listAt(config.tree(), "servers").clear())
                    .isInstanceOf(UnsupportedOperationException.class);
            assertThatThrownBy(() -> objectAt(config.tree(), "servers", 0).clear())
                    .isInstanceOf(UnsupportedOperationException.class);
        }
    }

    @Nested
    class WithAFault {
        @Test
        void shouldTellAllFaultsAtOnce() {
            tree.put("vip", "10.0.0");
            tree.remove("vmac");
            server(1).put("weight", 0);
            listAt(tree, "pools", 1, "servers").set(0, "s33");
            service().put("ports", 80);
            assertThat(problemsOf(tree).stream().map(ConfigProblem::toString).collect(Collectors.toList()))
                    .containsExactlyInAnyOrder(
                            "$.vip: found \"10.0.0\", allowed: a unicast IPv4 address such as \"10.0.0.100\","
                                    + " not loopback",
                            "$: found no key \"vmac\", allowed: key \"vmac\": a unicast MAC address such as"
                                    + " \"02:00:5e:00:01:64\", not within d6:52:00:00:00:00/ff:fe:00:00:00:00"
                                    + " (migration tags)",
                            "$.servers[1].weight: found 0, allowed: a whole number from 1 to 1000",
                            "$.pools[1].servers[0]: found \"s33\", allowed: one of \"s1\", \"s2\", \"s3\", \"s4\";"
                                    + " did you mean \"s3\"?",
                            "$.services[0]: found key \"ports\", allowed: one of \"port\", \"handshake\","
                                    + " \"requests\", \"contentTypes\", \"otherwise\"; did you mean \"port\"?");
        }

        @Test
        void shouldCarryAllFaultsInTheMessage() {
            tree.put("vip", 1);
            tree.put("vmac", 2);
            assertThatThrownBy(() -> ConfigReader.read(tree))
                    .isInstanceOf(ConfigException.class)
                    .hasMessageContaining("$.vip: found 1")
                    .hasMessageContaining("$.vmac: found 2");
        }

        @Test
        void shouldRefuseWhenTheRootIsNoObject() {
            for (Object root : new @Nullable Object[] {null, "text", 1, true, list(), new Object()}) {
                assertThat(problemOf(root).path()).isEqualTo("$");
                assertThat(problemOf(root).allowed()).isEqualTo("an object");
            }
        }

        @Test
        void shouldRefuseKeysThatAreNoStrings() {
            Map<Object, Object> odd = new HashMap<>(tree);
            odd.put(1, 2);
            odd.put(null, 2);
            assertThat(problemsOf(odd)).hasSize(2).allSatisfy(problem -> assertThat(problem.allowed())
                    .isEqualTo("keys that are strings"));
            Map<Object, Object> sorted = new TreeMap<>(Map.of(1, 2));
            assertThat(problemsOf(sorted)).isNotEmpty();
        }

        @ParameterizedTest
        @ValueSource(
                strings = {"0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1", "255.255.255.255", "10.0.0.1/24", "::1"})
        void shouldRefuseTheVipWhenNotUnicast(String vip) {
            tree.put("vip", vip);
            assertProblem("$.vip", '"' + vip + '"', "a unicast IPv4 address");
        }

        @ParameterizedTest
        @ValueSource(
                strings = {
                    "",
                    "10.0.0.100",
                    "::ffff:10.0.0.100",
                    "::",
                    "::1",
                    "::10.0.0.100",
                    "ff02::1",
                    "fe80::1",
                    "febf::1",
                    "fd00::100/64",
                    "[fd00::100]",
                    "fd00:100"
                })
        void shouldRefuseTheIpv6VipWhenNotGlobalUnicast(String vip6) {
            tree.put("vip6", vip6);
            assertProblem("$.vip6", '"' + vip6 + '"', "a unicast IPv6 address");
        }

        @Test
        void shouldRefuseTheIpv6VipWhenNoText() {
            tree.put("vip6", 6);
            assertProblem("$.vip6", "6", "a unicast IPv6 address");
        }

        @Test
        void shouldRefuseTheVipWhenItIsIpv6() {
            tree.put("vip", "fd00::100");
            assertProblem("$.vip", "\"fd00::100\"", "a unicast IPv4 address");
        }

        @ParameterizedTest
        @ValueSource(strings = {"fd00::100", "2001:db8::1", "fec0::1", "64:ff9b::a00:1"})
        void shouldTakeAnIpv6Vip(String vip6) {
            tree.put("vip6", vip6);
            DwsrConfig config = ConfigTrees.read(tree);
            assertThat(config.vip6()).isEqualTo(IpAddress.parse(vip6));
            assertThat(config.vip(true)).isEqualTo(IpAddress.parse(vip6));
            assertThat(config.vip(false)).isEqualTo(IpAddress.parse("10.0.0.100"));
        }

        @Test
        void shouldGiveTheUnspecifiedAddressWhenThereIsNoIpv6Vip() {
            assertThat(ConfigTrees.read(tree).vip6()).isNull();
            assertThat(ConfigTrees.read(tree).vip(true)).isEqualTo(IpAddress.parse("::"));
        }

        @ParameterizedTest
        @ValueSource(
                strings = {
                    "01:00:5e:00:01:64",
                    "ff:ff:ff:ff:ff:ff",
                    "d6:52:00:00:00:01",
                    "d6:53:00:00:00:01",
                    "00:00:00:00:00:00"
                })
        void shouldRefuseMacAddressesThatMeanSomethingElse(String mac) {
            tree.put("vmac", mac);
            assertProblem("$.vmac", '"' + mac + '"', "a unicast MAC address");
            tree.put("vmac", "02:00:5e:00:01:64");
            server(2).put("mac", mac);
            assertProblem("$.servers[2].mac", '"' + mac + '"', "a unicast MAC address");
        }

        @Test
        void shouldRefuseDuplicates() {
            server(1).put("name", "s1");
            server(1).put("id", "9C1");
            server(1).put("mac", "02:00:00:00:00:01");
            server(1).put("attachment", "of:0000000000000001/3");
            server(2).put("mac", "02:00:5E:00:01:64");
            objectAt(tree, "pools", 1).put("name", "images");
            contentType(1).put("id", "018");
            service().put("otherwise", "018");
            contentType(1).put("pool", "images");
            listAt(tree, "pools", 0, "servers").set(1, "s1");
            listAt(tree, "services").add(service());
            assertThat(problemsOf(tree).stream().map(ConfigProblem::path))
                    .contains(
                            "$.servers[1].name",
                            "$.servers[1].id",
                            "$.servers[1].mac",
                            "$.servers[1].attachment",
                            "$.servers[2].mac",
                            "$.pools[1].name",
                            "$.pools[0].servers[1]",
                            "$.services[0].contentTypes[1].id",
                            "$.services[1].port");
        }

        @Test
        void shouldRefuseAClientAtAServersPort() {
            listAt(tree, "clients").add("of:0000000000000001/4");
            assertProblem("$.clients[1]", "\"of:0000000000000001/4\"", "also at $.servers[1].attachment");
        }

        @Test
        void shouldAllowTheSameContentTypeInTwoServices() {
            Map<String, Object> other = new HashMap<>(service());
            other.put("port", 8080);
            listAt(tree, "services").add(other);
            assertThat(problemsOf(tree)).isEmpty();
        }

        @Test
        void shouldKnowBothHandshakesAndSuggestThem() {
            service().put("handshake", "preallocate");
            assertThat(problemsOf(tree)).isEmpty();
            assertThat(ConfigTrees.read(tree).services().get(0).handshake()).isEqualTo(Handshake.PREALLOCATE);
            service().put("handshake", "prealocate");
            assertProblem("$.services[0].handshake", "\"prealocate\"", "did you mean \"preallocate\"?");
            service().put("handshake", "prxoy");
            assertProblem("$.services[0].handshake", "\"prxoy\"", "did you mean \"proxy\"?");
        }

        @Test
        void shouldRefuseUnknownReferences() {
            contentType(0).put("pool", "image");
            assertProblem("$.services[0].contentTypes[0].pool", "\"image\"", "did you mean \"images\"?");
            contentType(0).put("pool", "images");
            service().put("otherwise", "02O");
            assertProblem("$.services[0].otherwise", "\"02O\"", "did you mean \"020\"?");
        }

        @Test
        void shouldNotTellAReferenceToAFaultyServer() {
            server(0).put("mac", "nonsense");
            assertProblem("$.servers[0].mac", "\"nonsense\"", "a unicast MAC address");
        }

        @Test
        void shouldRefuseAnEmptyPool() {
            objectAt(tree, "pools", 0).put("servers", list());
            assertProblem("$.pools[0].servers", "an empty list", "at least one server's name");
        }

        @Test
        void shouldRefuseMoreThan512Servers() {
            List<Object> servers = listAt(tree, "servers");
            for (int i = 4; i < ConfigReader.MAX_SERVERS; i++) {
                servers.add(object(
                        "name", "t" + i,
                        "id", ThreeCharId.decode(i),
                        "mac", MacAddress.format(0x0200_0001_0000L | i),
                        "attachment", new Attachment(2, i).format()));
            }
            assertThat(ConfigTrees.read(tree).servers()).hasSize(512);
            servers.add(ConfigTrees.server(200));
            assertProblem("$.servers", "a list of 513", "a list of 1 to 512 servers");
        }

        @Test
        void shouldRefuseNumbersOutOfRangeOrNotWhole() {
            for (Object port :
                    new Object[] {0, 65536, -1, 80.0, 80.5, "80", Long.MAX_VALUE, Double.NaN, true, list()}) {
                service().put("port", port);
                assertThat(problemOf(tree).path()).isEqualTo("$.services[0].port");
                assertThat(problemOf(tree).allowed()).isEqualTo("a whole number from 1 to 65535");
            }
        }

        @Test
        void shouldRefuseAConditionWithoutAnyKey() {
            contentType(0).put("match", list(object()));
            assertProblem("$.services[0].contentTypes[0].match[0]", "an empty object", "{ \"path\": \"*\" }");
        }

        @ParameterizedTest
        @CsvSource({
            "host, app.example.org:80",
            "host, ''",
            "path, img/*",
            "path, /a?b=*",
            "path, /a b",
            "extension, .jpg",
            "extension, ''",
            "method, G ET"
        })
        void shouldRefuseConditionsThatCouldNeverHold(String key, String value) {
            contentType(0).put("match", list(object(key, value)));
            assertThat(problemOf(tree).path()).isEqualTo("$.services[0].contentTypes[0].match[0]." + key);
        }

        @Test
        void shouldRefuseARuleOnASessionCookie() {
            contentType(0).put("match", list(object("cookie", object("name", "PHPSESSID"))));
            assertProblem(
                    "$.services[0].contentTypes[0].match[0].cookie.name", "\"PHPSESSID\"", "their names are rewritten");
        }

        @ParameterizedTest
        @ValueSource(
                strings = {"SESSION", "__Host-SESSION", "__Secure-SESSION", "", "PHP SESSID", "PHPSESSID=", "PHPSESSIÖN"
                })
        void shouldRefuseCookieNamesWithoutRoomForATag(String name) {
            tree.put("sessionCookies", list(name));
            assertProblem("$.sessionCookies[0]", '"' + name + '"', "at least 8 characters");
        }

        @Test
        void shouldRefuseCookieNamesThatCannotBeToldApart() {
            tree.put("sessionCookies", list("PHPSESSID", "MYSESSIID"));
            assertProblem("$.sessionCookies[1]", "\"MYSESSIID\"", "differs from \"PHPSESSID\"");
            tree.put("sessionCookies", list("SESSIONA", "SESSIONB"));
            assertProblem("$.sessionCookies[1]", "\"SESSIONB\"", "differs from \"SESSIONA\"");
            tree.put("sessionCookies", list("PHPSESSID", "PHPSESSID"));
            assertProblem("$.sessionCookies[1]", "\"PHPSESSID\"", "each name once");
        }

        @Test
        void shouldAllowEqualTailsBehindDifferentPrefixes() {
            tree.put("sessionCookies", list("PHPSESSID", "__Host-PHPSESSID", "__Secure-PHPSESSID", "PHPSESSIE"));
            assertThat(problemsOf(tree)).isEmpty();
        }

        @Test
        void shouldRefuseCookieNamesThatLookTagged() {
            tree.put("sessionCookies", list("DR0189C1D"));
            assertProblem("$.sessionCookies[0]", "\"DR0189C1D\"", "does not itself begin like a tag");
            tree.put("sessionCookies", list("__Host-DR0189C1"));
            assertProblem("$.sessionCookies[0]", "\"__Host-DR0189C1\"", "does not itself begin like a tag");
            tree.put("sessionCookies", list("DRsession", "Drupal_sid"));
            assertThat(problemsOf(tree)).isEmpty();
        }

        @Test
        void shouldRefuseAControlAddressWithoutPort() {
            tree.put("control", object("listen", "127.0.0.1", "keyFile", "k"));
            assertProblem("$.control.listen", "\"127.0.0.1\"", "HOST:PORT");
            tree.put("control", object("listen", "127.0.0.1:65536", "keyFile", ""));
            assertThat(problemsOf(tree).stream().map(ConfigProblem::path))
                    .containsExactly("$.control.listen", "$.control.keyFile");
        }

        @Test
        void shouldEndOnATreeThatContainsItself() {
            List<Object> loop = new ArrayList<>();
            loop.add(loop);
            tree.put("servers", loop);
            tree.put("clients", loop);
            assertThat(problemsOf(tree)).isNotEmpty();
        }

        @Test
        void shouldShortenAndCleanWhatItShows() {
            tree.put("vip", String.join("", Collections.nCopies(1000, "x")) + "\n");
            assertThat(problemOf(tree).found()).hasSize(63).endsWith("…\"");
            tree.put("vip", "a\u001b[31mb\n");
            assertThat(problemOf(tree).found()).isEqualTo("\"a\uFFFD[31mb\uFFFD\"");
        }
    }
}
