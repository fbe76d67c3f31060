package org.dwsr.config;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.regex.Pattern;
import org.dwsr.packet.IpAddress;
import org.jspecify.annotations.Nullable;

/**
 * Reads the configuration document (docs/configuration.md) from a plain tree of Map, List, String, Number and Boolean. A
 * wrong document is refused whole, with all faults that were found.
 */
public final class ConfigReader {
    /** The most servers a document may name. */
    public static final int MAX_SERVERS = 512;

    /** The highest weight of a server. */
    public static final int MAX_WEIGHT = 1000;

    private static final Pattern NAME = Pattern.compile("[A-Za-z0-9._-]{1,64}");
    private static final String NAME_ALLOWED = "a name of 1 to 64 characters of [A-Za-z0-9._-]";
    private static final Pattern TOKEN = Pattern.compile("[!#$%&'*+.^_`|~0-9A-Za-z-]+");
    private static final Pattern HOST = Pattern.compile("[A-Za-z0-9._*-]+|\\[[0-9A-Fa-f:.]+]");
    private static final Pattern PATH = Pattern.compile("[/*][!-~&&[^?#]]*");
    private static final Pattern EXTENSION = Pattern.compile("[!-~&&[^/.?#*]]+");
    private static final Pattern VALUE = Pattern.compile("[ -~]*");
    private static final Pattern LISTEN = Pattern.compile("([A-Za-z0-9._-]+|\\[[0-9A-Fa-f:.]+]):[0-9]{1,5}");
    private static final String ID_ALLOWED = "three characters of [0-9A-Z]";
    private static final String MAC_ALLOWED =
            "a unicast MAC address such as \"02:00:5e:00:01:64\", not within d6:52:00:00:00:00/ff:fe:00:00:00:00"
                    + " (migration tags)";
    private static final String ATTACHMENT_ALLOWED = "a switch port such as \"of:0000000000000001/3\"";
    private static final Attachment NOWHERE = new Attachment(0, 1);

    private final Problems problems = new Problems();
    private final Map<Long, String> macPaths = new HashMap<>();
    private final Map<Attachment, String> attachmentPaths = new HashMap<>();

    private ConfigReader() {}

    /**
     * Reads a document.
     *
     * @param tree the document's root, normally a Map with String keys; not kept
     * @throws ConfigException with every fault found, if there is any
     */
    public static DwsrConfig read(@Nullable Object tree) throws ConfigException {
        return new ConfigReader().readRoot(tree);
    }

    private DwsrConfig readRoot(@Nullable Object tree) throws ConfigException {
        TreeObject root = new TreeObject(
                "$",
                tree,
                problems,
                "vip",
                "vip6",
                "vmac",
                "services",
                "pools",
                "servers",
                "clients",
                "sessionCookies",
                "control");
        int vip = vip(root);
        IpAddress vip6 = vip6(root);
        long vmac = mac(root, "vmac");
        List<String> sessionCookies = sessionCookies(root);
        Map<String, Integer> serverIndexes = names(root, "servers");
        Map<String, Integer> poolIndexes = names(root, "pools");
        List<ServerConfig> servers = servers(root);
        List<PoolConfig> pools = pools(root, serverIndexes);
        List<ServiceConfig> services = services(root, poolIndexes, sessionCookies);
        List<Attachment> clients = clients(root);
        ControlConfig control = control(root);
        problems.throwIfAny();
        // Copied only now: a document without faults has a known shape, so the copy ends.
        Map<String, @Nullable Object> copy = copyOf((Map<?, ?>) Objects.requireNonNull(tree));
        return new DwsrConfig(vip, vip6, vmac, services, pools, servers, clients, sessionCookies, control, copy);
    }

    private int vip(TreeObject root) {
        String allowed = "a unicast IPv4 address such as \"10.0.0.100\", not loopback";
        String text = root.text("vip", allowed);
        if (text == null) {
            return 0;
        }
        int vip;
        try {
            IpAddress address = IpAddress.parse(text);
            vip = address.isIpv6() ? 0 : address.alias();
        } catch (IllegalArgumentException e) {
            root.fault("vip", allowed);
            return 0;
        }
        int network = vip >>> 24;
        if (network == 0 || network == 127 || network >= 224) {
            root.fault("vip", allowed);
        }
        return vip;
    }

    /** RFC 4291 sections 2.4 to 2.7: what a host elsewhere can reach. */
    private static @Nullable IpAddress vip6(TreeObject root) {
        String allowed = "a unicast IPv6 address such as \"fd00::100\", not loopback, link-local or IPv4-mapped";
        String text = root.optionalText("vip6", allowed);
        if (text == null) {
            return null;
        }
        IpAddress vip6;
        try {
            vip6 = IpAddress.parse(text);
        } catch (IllegalArgumentException e) {
            root.fault("vip6", allowed);
            return null;
        }
        boolean multicast = vip6.high() >>> 56 == 0xff;
        boolean linkLocal = vip6.high() >>> 54 == 0x3fa;
        // ::/96 holds the unspecified address, loopback, and the IPv4-compatible addresses that nobody may use any
        // more.
        boolean compatible = vip6.high() == 0 && vip6.low() >>> 32 == 0;
        if (!vip6.isIpv6() || multicast || linkLocal || compatible) {
            root.fault("vip6", allowed);
        }
        return vip6;
    }

    private long mac(TreeObject object, String key) {
        String text = object.text(key, MAC_ALLOWED);
        if (text == null) {
            return 0;
        }
        long mac;
        try {
            mac = MacAddress.parse(text);
        } catch (IllegalArgumentException e) {
            object.fault(key, MAC_ALLOWED);
            return 0;
        }
        if (mac == 0 || MacAddress.multicast(mac) || MacAddress.inTagRange(mac)) {
            object.fault(key, MAC_ALLOWED);
            return 0;
        }
        String earlier = macPaths.putIfAbsent(mac, object.path(key));
        if (earlier != null) {
            object.fault(key, "a MAC address of its own; this one is also at " + earlier);
        }
        return mac;
    }

    /** The names in a list of objects, so that references to a faulty object are no further faults. */
    private static Map<String, Integer> names(TreeObject root, String key) {
        Map<String, Integer> names = new LinkedHashMap<>();
        Object list = root.value(key);
        if (list instanceof List) {
            int index = 0;
            for (Object element : (List<?>) list) {
                if (element instanceof Map) {
                    for (Map.Entry<?, ?> entry : ((Map<?, ?>) element).entrySet()) {
                        if ("name".equals(entry.getKey()) && entry.getValue() instanceof String) {
                            names.putIfAbsent((String) entry.getValue(), index);
                        }
                    }
                }
                index++;
            }
        }
        return names;
    }

    private List<ServerConfig> servers(TreeObject root) {
        String allowed = "a list of 1 to " + MAX_SERVERS + " servers";
        List<? extends @Nullable Object> list = root.list("servers", allowed);
        if (list.size() > MAX_SERVERS) {
            problems.add(root.path("servers"), "a list of " + list.size(), allowed);
            return List.of();
        }
        List<ServerConfig> servers = new ArrayList<>();
        Set<String> names = new LinkedHashSet<>();
        Map<Integer, String> idPaths = new HashMap<>();
        int index = 0;
        for (Object element : list) {
            String path = root.path("servers") + "[" + index + "]";
            TreeObject server =
                    new TreeObject(path, element, problems, "name", "id", "mac", "attachment", "weight", "state");
            String name = name(server, names);
            int id = id(server, "id", idPaths);
            long mac = mac(server, "mac");
            Attachment attachment = NOWHERE;
            String text = server.text("attachment", ATTACHMENT_ALLOWED);
            if (text != null) {
                attachment = attachment(server.path("attachment"), text);
            }
            int weight = server.has("weight") ? server.number("weight", 1, MAX_WEIGHT) : 1;
            String state = server.has("state") ? server.word("state", List.of("up", "drained")) : "up";
            ServerState wanted = "drained".equals(state) ? ServerState.DRAINED : ServerState.UP;
            servers.add(new ServerConfig(name, index, id, mac, attachment, weight, wanted));
            index++;
        }
        return servers;
    }

    private List<PoolConfig> pools(TreeObject root, Map<String, Integer> serverIndexes) {
        List<PoolConfig> pools = new ArrayList<>();
        Set<String> names = new LinkedHashSet<>();
        int index = 0;
        for (Object element : root.list("pools", "a list of at least one pool")) {
            String path = root.path("pools") + "[" + index + "]";
            TreeObject pool = new TreeObject(path, element, problems, "name", "schedule", "servers");
            String name = name(pool, names);
            String word = pool.word("schedule", Schedule.texts());
            Schedule schedule = Schedule.of(word);
            List<? extends @Nullable Object> list = pool.list("servers", "a list of at least one server's name");
            int[] servers = new int[list.size()];
            Set<String> members = new LinkedHashSet<>();
            int position = 0;
            for (Object member : list) {
                String memberPath = pool.path("servers") + "[" + position + "]";
                Integer server = member instanceof String ? serverIndexes.get(member) : null;
                if (server == null) {
                    String found = member instanceof String ? (String) member : "";
                    problems.add(memberPath, Problems.describe(member), Problems.oneOf(serverIndexes.keySet(), found));
                } else if (!members.add((String) member)) {
                    problems.add(memberPath, Problems.describe(member), "each server once in a pool");
                } else {
                    servers[position] = server;
                }
                position++;
            }
            pools.add(new PoolConfig(name, index, schedule, servers));
            index++;
        }
        return pools;
    }

    private List<ServiceConfig> services(
            TreeObject root, Map<String, Integer> poolIndexes, List<String> sessionCookies) {
        List<ServiceConfig> services = new ArrayList<>();
        Map<Integer, String> portPaths = new HashMap<>();
        int index = 0;
        for (Object element : root.list("services", "a list of at least one service")) {
            String path = root.path("services") + "[" + index + "]";
            TreeObject service = new TreeObject(
                    path, element, problems, "port", "handshake", "requests", "contentTypes", "otherwise");
            boolean sound = service.value("port") instanceof Number;
            int port = service.number("port", 1, 65535);
            String earlier = sound ? portPaths.putIfAbsent(port, service.path("port")) : null;
            if (earlier != null) {
                service.fault("port", "a port of its own; this one is also at " + earlier);
            }
            Handshake handshake = handshake(service);
            String requests = service.has("requests") ? service.word("requests", List.of("guard", "switch")) : "guard";
            RequestMode mode = "switch".equals(requests) ? RequestMode.SWITCH : RequestMode.GUARD;
            Map<Integer, String> idPaths = new LinkedHashMap<>();
            List<ContentTypeConfig> contentTypes = contentTypes(service, poolIndexes, sessionCookies, idPaths);
            int otherwise = otherwise(service, idPaths.keySet());
            services.add(new ServiceConfig(index, port, handshake, mode, contentTypes, otherwise));
            index++;
        }
        return services;
    }

    private static Handshake handshake(TreeObject service) {
        String word = service.has("handshake") ? service.word("handshake", List.of("proxy", "preallocate")) : "proxy";
        return "preallocate".equals(word) ? Handshake.PREALLOCATE : Handshake.PROXY;
    }

    private int otherwise(TreeObject service, Set<Integer> ids) {
        List<String> allowed = new ArrayList<>();
        for (int id : ids) {
            allowed.add(ThreeCharId.decode(id));
        }
        String text = service.text("otherwise", "the id of one of this service's content types");
        if (text == null) {
            return 0;
        }
        // Without a sound content type there is nothing to compare with, and that was told already.
        if (!allowed.contains(text) && !(allowed.isEmpty() && ThreeCharId.wellFormed(text))) {
            service.fault("otherwise", Problems.oneOf(allowed, text));
        }
        return ThreeCharId.wellFormed(text) ? ThreeCharId.encode(text) : 0;
    }

    private List<ContentTypeConfig> contentTypes(
            TreeObject service,
            Map<String, Integer> poolIndexes,
            List<String> sessionCookies,
            Map<Integer, String> idPaths) {
        List<ContentTypeConfig> contentTypes = new ArrayList<>();
        int index = 0;
        for (Object element : service.list("contentTypes", "a list of at least one content type")) {
            String path = service.path("contentTypes") + "[" + index + "]";
            TreeObject contentType = new TreeObject(path, element, problems, "id", "match", "pool");
            int id = id(contentType, "id", idPaths);
            List<MatchConfig> matches = new ArrayList<>();
            int position = 0;
            for (Object match : contentType.optionalList("match", "a list of conditions")) {
                matches.add(match(contentType.path("match") + "[" + position + "]", match, sessionCookies));
                position++;
            }
            boolean isOtherwise =
                    contentType.has("id") && Objects.equals(contentType.value("id"), service.value("otherwise"));
            if (matches.isEmpty() && !isOtherwise && contentType.value("match") instanceof List) {
                contentType.fault("match", "at least one condition, as this content type is not the otherwise");
            } else if (!isOtherwise && !contentType.has("match") && contentType.has("id")) {
                problems.add(path, "no key \"match\"", "key \"match\", as this content type is not the otherwise");
            }
            String pool = contentType.text("pool", "the name of a pool");
            Integer poolIndex = pool == null ? null : poolIndexes.get(pool);
            if (pool != null && poolIndex == null) {
                contentType.fault("pool", Problems.oneOf(poolIndexes.keySet(), pool));
            }
            contentTypes.add(
                    new ContentTypeConfig(id, matches, pool == null ? "" : pool, poolIndex == null ? 0 : poolIndex));
            index++;
        }
        return contentTypes;
    }

    private MatchConfig match(String path, @Nullable Object value, List<String> sessionCookies) {
        TreeObject match =
                new TreeObject(path, value, problems, "host", "path", "extension", "method", "header", "cookie");
        if (value instanceof Map && ((Map<?, ?>) value).isEmpty()) {
            problems.add(
                    path,
                    "an empty object",
                    "at least one of \"host\", \"path\", \"extension\", \"method\", \"header\", \"cookie\";"
                            + " { \"path\": \"*\" } matches every request");
        }
        String host = pattern(match, "host", HOST, "a host name without port, with * for any characters");
        NamedPattern cookie = namedPattern(match, "cookie");
        if (cookie != null && sessionCookies.contains(cookie.name())) {
            problems.add(
                    match.path("cookie") + ".name",
                    Problems.quote(cookie.name()),
                    "a cookie that is not among the sessionCookies: their names are rewritten, so no request has them");
        }
        return new MatchConfig(
                host == null ? null : host.toLowerCase(Locale.ROOT),
                pattern(
                        match,
                        "path",
                        PATH,
                        "a path from its first slash on, without query, with * for any characters"),
                pattern(match, "extension", EXTENSION, "an extension without its dot, such as \"jpg\""),
                pattern(match, "method", TOKEN, "a method such as \"GET\""),
                namedPattern(match, "header"),
                cookie);
    }

    private @Nullable NamedPattern namedPattern(TreeObject match, String key) {
        if (!match.has(key)) {
            return null;
        }
        TreeObject object = new TreeObject(match.path(key), match.value(key), problems, "name", "value");
        String allowed = "the name of a " + key + " (characters of an HTTP token)";
        String name = object.text("name", allowed);
        if (name != null && !TOKEN.matcher(name).matches()) {
            object.fault("name", allowed);
        }
        String value = pattern(object, "value", VALUE, "printable ASCII characters, with * for any characters");
        return new NamedPattern(name == null ? "" : name, value);
    }

    private static @Nullable String pattern(TreeObject object, String key, Pattern pattern, String allowed) {
        String text = object.optionalText(key, allowed);
        if (text != null && !pattern.matcher(text).matches()) {
            object.fault(key, allowed);
        }
        return text;
    }

    private List<Attachment> clients(TreeObject root) {
        List<Attachment> clients = new ArrayList<>();
        int index = 0;
        for (Object element : root.optionalList("clients", "a list of switch ports")) {
            String path = root.path("clients") + "[" + index + "]";
            if (element instanceof String) {
                clients.add(attachment(path, (String) element));
            } else {
                problems.add(path, Problems.describe(element), ATTACHMENT_ALLOWED);
            }
            index++;
        }
        return clients;
    }

    private Attachment attachment(String path, String text) {
        Attachment attachment;
        try {
            attachment = Attachment.parse(text);
        } catch (IllegalArgumentException e) {
            problems.add(path, Problems.quote(text), ATTACHMENT_ALLOWED);
            return NOWHERE;
        }
        String earlier = attachmentPaths.putIfAbsent(attachment, path);
        if (earlier != null) {
            problems.add(path, Problems.quote(text), "a switch port of its own; this one is also at " + earlier);
        }
        return attachment;
    }

    private List<String> sessionCookies(TreeObject root) {
        String allowed = "a cookie name (characters of an HTTP token) with at least " + CookieName.TAG_LENGTH
                + " characters, after __Host- or __Secure- if it has that";
        List<String> names = new ArrayList<>();
        Map<String, String> earlierByTail = new HashMap<>();
        int index = 0;
        for (Object element : root.optionalList("sessionCookies", "a list of cookie names")) {
            String path = root.path("sessionCookies") + "[" + index + "]";
            index++;
            String name = element instanceof String ? (String) element : "";
            int prefixLength = CookieName.prefixLength(name);
            if (name.length() < prefixLength + CookieName.TAG_LENGTH
                    || !TOKEN.matcher(name).matches()) {
                problems.add(path, Problems.describe(element), allowed);
                continue;
            }
            if (CookieName.looksTagged(name)) {
                problems.add(path, Problems.quote(name), "a name that does not itself begin like a tag, DRxxxyyy");
            }
            // What is left of the name once it is tagged; two names that leave the same cannot be told apart.
            String remains = name.substring(0, prefixLength) + '\n' + CookieName.tail(name);
            String earlier = earlierByTail.putIfAbsent(remains, name);
            if (earlier != null) {
                problems.add(
                        path,
                        Problems.quote(name),
                        earlier.equals(name)
                                ? "each name once"
                                : "a name that differs from " + Problems.quote(earlier)
                                        + " after its first eight characters, or it cannot be restored");
            }
            names.add(name);
        }
        return names;
    }

    private @Nullable ControlConfig control(TreeObject root) {
        if (!root.has("control")) {
            return null;
        }
        TreeObject control = new TreeObject(root.path("control"), root.value("control"), problems, "listen", "keyFile");
        String allowed = "HOST:PORT such as \"127.0.0.1:8780\"";
        String listen = control.text("listen", allowed);
        if (listen != null && !listenable(listen)) {
            control.fault("listen", allowed);
        }
        String keyFile = control.text("keyFile", "the path of the file with the shared key");
        if (keyFile != null && keyFile.isEmpty()) {
            control.fault("keyFile", "the path of the file with the shared key");
        }
        return new ControlConfig(listen == null ? "" : listen, keyFile == null ? "" : keyFile);
    }

    private static boolean listenable(String listen) {
        return LISTEN.matcher(listen).matches()
                && Integer.parseInt(listen.substring(listen.lastIndexOf(':') + 1)) <= 65535;
    }

    private String name(TreeObject object, Set<String> names) {
        String name = object.text("name", NAME_ALLOWED);
        if (name == null) {
            return "";
        }
        if (!NAME.matcher(name).matches()) {
            object.fault("name", NAME_ALLOWED);
        } else if (!names.add(name)) {
            object.fault("name", "a name of its own; this one is taken");
        }
        return name;
    }

    private static int id(TreeObject object, String key, Map<Integer, String> paths) {
        String text = object.text(key, ID_ALLOWED);
        if (text == null) {
            return 0;
        }
        if (!ThreeCharId.wellFormed(text)) {
            object.fault(key, ID_ALLOWED);
            return 0;
        }
        int id = ThreeCharId.encode(text);
        String earlier = paths.putIfAbsent(id, object.path(key));
        if (earlier != null) {
            object.fault(key, "an id of its own; this one is also at " + earlier);
        }
        return id;
    }

    private static Map<String, @Nullable Object> copyOf(Map<?, ?> map) {
        Map<String, @Nullable Object> copy = new LinkedHashMap<>();
        for (Map.Entry<?, ?> entry : map.entrySet()) {
            copy.put(String.valueOf(entry.getKey()), copyOf(entry.getValue()));
        }
        return Collections.unmodifiableMap(copy);
    }

    private static @Nullable Object copyOf(@Nullable Object value) {
        if (value instanceof Map) {
            return copyOf((Map<?, ?>) value);
        }
        if (value instanceof List) {
            List<@Nullable Object> copy = new ArrayList<>();
            for (Object element : (List<?>) value) {
                copy.add(copyOf(element));
            }
            return Collections.unmodifiableList(copy);
        }
        return value;
    }
}
