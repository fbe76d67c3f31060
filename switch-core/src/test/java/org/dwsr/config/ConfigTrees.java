package org.dwsr.config;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Configuration documents as plain trees that tests can change. */
public final class ConfigTrees {
    private ConfigTrees() {}

    /** The document of docs/configuration.md with four servers; two are in each pool. */
    public static Map<String, Object> example() {
        return object(
                "vip", "10.0.0.100",
                "vmac", "02:00:5e:00:01:64",
                "services",
                        list(object(
                                "port", 80,
                                "handshake", "proxy",
                                "requests", "guard",
                                "contentTypes",
                                        list(
                                                object(
                                                        "id", "018",
                                                        "match",
                                                                list(
                                                                        object("path", "/img/*"),
                                                                        object("extension", "jpg")),
                                                        "pool", "images"),
                                                object(
                                                        "id", "020",
                                                        "match",
                                                                list(
                                                                        object("extension", "php"),
                                                                        object("host", "app.*")),
                                                        "pool", "app")),
                                "otherwise", "020")),
                "pools",
                        list(
                                object("name", "images", "schedule", "wlc", "servers", list("s1", "s2")),
                                object("name", "app", "schedule", "wrr", "servers", list("s3", "s4"))),
                "servers", list(server(1), server(2), server(3), server(4)),
                "clients", list("of:0000000000000001/1"),
                "sessionCookies", list("PHPSESSID", "JSESSIONID", "ASP.NET_SessionId"));
    }

    /** A document with one service, one pool of this schedule and these contentTypes' rules. */
    public static Map<String, Object> withContentTypes(List<Object> contentTypes, String otherwise) {
        Map<String, Object> tree = example();
        objectAt(tree, "services", 0).put("contentTypes", contentTypes);
        objectAt(tree, "services", 0).put("otherwise", otherwise);
        return tree;
    }

    /** A document whose pool 0 has this schedule and one server for each weight. */
    public static Map<String, Object> withPool(String schedule, int... weights) {
        Map<String, Object> tree = example();
        List<Object> servers = list();
        List<Object> names = list();
        for (int i = 0; i < weights.length; i++) {
            Map<String, Object> server = server(i + 1);
            server.put("weight", weights[i]);
            servers.add(server);
            names.add("s" + (i + 1));
        }
        tree.put("servers", servers);
        tree.put(
                "pools",
                list(
                        object("name", "images", "schedule", schedule, "servers", names),
                        object("name", "app", "schedule", "rr", "servers", new ArrayList<>(names))));
        return tree;
    }

    /** Server number 1 to 255 of the example. */
    public static Map<String, Object> server(int number) {
        return object(
                "name",
                "s" + number,
                "id",
                ThreeCharId.decode(ThreeCharId.encode("9C0") + number),
                "mac",
                MacAddress.format(0x0200_0000_0000L | number),
                "attachment",
                new Attachment(1, number + 2).format(),
                "weight",
                1,
                "state",
                "up");
    }

    /** Reads a tree that must be without faults. */
    public static DwsrConfig read(Map<String, Object> tree) {
        try {
            return ConfigReader.read(tree);
        } catch (ConfigException e) {
            throw new AssertionError(e);
        }
    }

    /** A mutable object of alternating keys and values. */
    public static Map<String, Object> object(Object... keysAndValues) {
        Map<String, Object> object = new LinkedHashMap<>();
        for (int i = 0; i < keysAndValues.length; i += 2) {
            object.put((String) keysAndValues[i], keysAndValues[i + 1]);
        }
        return object;
    }

    /** A mutable list. */
    public static List<Object> list(Object... elements) {
        return new ArrayList<>(Arrays.asList(elements));
    }

    /** What stands at the end of a way of keys and indexes. */
    @SuppressWarnings("unchecked")
    public static Map<String, Object> objectAt(Object tree, Object... way) {
        return (Map<String, Object>) at(tree, way);
    }

    @SuppressWarnings("unchecked")
    static List<Object> listAt(Object tree, Object... way) {
        return (List<Object>) at(tree, way);
    }

    private static Object at(Object tree, Object... way) {
        Object node = tree;
        for (Object step : way) {
            Object next = step instanceof Integer ? ((List<?>) node).get((Integer) step) : ((Map<?, ?>) node).get(step);
            if (next == null) {
                throw new AssertionError("nothing at " + step);
            }
            node = next;
        }
        return node;
    }
}
