package org.dwsr.filter.host;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * What one filter process needs to know by itself ({@code filter.json}); everything else comes over the control channel.
 *
 * @param controllers the web switch's control addresses, tried in turn; at least one
 * @param keyFile the file with the shared key
 * @param metrics where the counters are served
 * @param ringMegabytes the size of each interface's receive ring
 * @param ports the port pairs; at least one
 */
record FilterConfig(
        List<URI> controllers, Path keyFile, HostPort metrics, int ringMegabytes, List<PortPairConfig> ports) {
    private static final HostPort DEFAULT_METRICS = new HostPort("127.0.0.1", 8790);
    private static final int DEFAULT_RING_MEGABYTES = 16;
    private static final int MAX_RING_MEGABYTES = 1024;
    private static final Pattern NAME = Pattern.compile("[A-Za-z0-9._-]{1,64}");
    private static final int MAX_INTERFACE_LENGTH = 15;
    private static final Set<String> KEYS = Set.of("controllers", "keyFile", "metrics", "ringMegabytes", "ports");
    private static final Set<String> PORT_KEYS = Set.of("server", "network", "host");

    /**
     * One server's place in the filter.
     *
     * @param server the server's name in the web switch's configuration
     * @param network the interface toward the switch
     * @param host the interface toward the server
     */
    record PortPairConfig(String server, String network, String host) {}

    /**
     * Reads a file. A relative {@code keyFile} starts at the file's own folder.
     *
     * @throws FilterConfigException with every fault found
     */
    static FilterConfig read(Path file) throws FilterConfigException {
        try {
            return parse(Files.readString(file), file.toAbsolutePath().getParent(), file.toString());
        } catch (NoSuchFileException missing) {
            throw new FilterConfigException(file + ": no such file");
        } catch (IOException failure) {
            throw new FilterConfigException(file + ": cannot be read: " + failure.getMessage());
        }
    }

    /**
     * Reads a document.
     *
     * @param folder where a relative {@code keyFile} starts
     * @param name what messages call the document
     */
    static FilterConfig parse(String json, @Nullable Path folder, String name) throws FilterConfigException {
        JsonNode root;
        try {
            root = new ObjectMapper().readTree(json);
        } catch (JsonProcessingException notJson) {
            throw new FilterConfigException(name + ": not JSON: " + notJson.getOriginalMessage() + ", line "
                    + notJson.getLocation().getLineNr());
        }
        return new Reader(name).read(root, folder);
    }

    /**
     * The shared key.
     *
     * @throws FilterConfigException if the file is missing, empty or has more than one line
     */
    String readKey() throws FilterConfigException {
        String key;
        try {
            key = Files.readString(keyFile, StandardCharsets.UTF_8).strip();
        } catch (NoSuchFileException missing) {
            throw new FilterConfigException("the key file " + keyFile + " does not exist");
        } catch (IOException failure) {
            throw new FilterConfigException("the key file " + keyFile + " cannot be read: " + failure.getMessage());
        }
        if (key.isEmpty() || key.chars().anyMatch(c -> c <= ' ' || c > '~')) {
            throw new FilterConfigException(
                    "the key file " + keyFile + " must hold one word of printable ASCII characters");
        }
        return key;
    }

    /** Reads one document and gathers its faults. */
    private static final class Reader {
        private final String name;
        private final List<String> faults = new ArrayList<>();

        Reader(String name) {
            this.name = name;
        }

        FilterConfig read(JsonNode root, @Nullable Path folder) throws FilterConfigException {
            checkKeys(root, "$", KEYS);
            List<URI> controllers = new ArrayList<>();
            JsonNode controllerNodes = list(root, "$", "controllers");
            for (int i = 0; i < controllerNodes.size(); i++) {
                controllers.add(uri(controllerNodes.get(i), "$.controllers[" + i + "]"));
            }
            Path keyFile = Path.of(text(root, "$", "keyFile", "a path"));
            HostPort metrics = DEFAULT_METRICS;
            if (root.has("metrics")) {
                try {
                    metrics = HostPort.parse(root.path("metrics").asText());
                } catch (IllegalArgumentException wrong) {
                    faults.add("$.metrics: " + wrong.getMessage());
                }
            }
            int ringMegabytes = ringMegabytes(root);
            List<PortPairConfig> ports = ports(list(root, "$", "ports"));
            if (!faults.isEmpty()) {
                throw new FilterConfigException(name + ":\n  " + String.join("\n  ", faults));
            }
            Path resolved = folder == null ? keyFile : folder.resolve(keyFile);
            return new FilterConfig(List.copyOf(controllers), resolved, metrics, ringMegabytes, List.copyOf(ports));
        }

        private int ringMegabytes(JsonNode root) {
            JsonNode node = root.path("ringMegabytes");
            if (node.isMissingNode()) {
                return DEFAULT_RING_MEGABYTES;
            }
            if (!node.isInt() || node.asInt() < 1 || node.asInt() > MAX_RING_MEGABYTES) {
                faults.add("$.ringMegabytes: expected a number from 1 to " + MAX_RING_MEGABYTES + ", found " + node);
            }
            return node.asInt();
        }

        private List<PortPairConfig> ports(JsonNode nodes) {
            List<PortPairConfig> ports = new ArrayList<>();
            Set<String> servers = new HashSet<>();
            Set<String> interfaces = new HashSet<>();
            for (int i = 0; i < nodes.size(); i++) {
                JsonNode node = nodes.get(i);
                String path = "$.ports[" + i + "]";
                checkKeys(node, path, PORT_KEYS);
                String server = text(node, path, "server", "a server's name");
                String network = interfaceName(node, path, "network");
                String host = interfaceName(node, path, "host");
                if (!server.isEmpty() && !NAME.matcher(server).matches()) {
                    faults.add(
                            path + ".server: expected 1 to 64 characters of [A-Za-z0-9._-], found \"" + server + "\"");
                }
                if (!servers.add(server)) {
                    faults.add(path + ".server: \"" + server + "\" is named twice");
                }
                for (String one : List.of(network, host)) {
                    if (!one.isEmpty() && !interfaces.add(one)) {
                        faults.add(path + ": the interface \"" + one + "\" is used twice");
                    }
                }
                ports.add(new PortPairConfig(server, network, host));
            }
            return ports;
        }

        private void checkKeys(JsonNode node, String path, Set<String> allowed) {
            if (!node.isObject()) {
                faults.add(path + ": expected an object, found " + node.getNodeType());
                return;
            }
            for (Iterator<String> keys = node.fieldNames(); keys.hasNext(); ) {
                String key = keys.next();
                if (!allowed.contains(key)) {
                    faults.add(path + "." + key + ": unknown; allowed are " + String.join(", ", sorted(allowed)));
                }
            }
        }

        private static List<String> sorted(Set<String> keys) {
            return keys.stream().sorted().toList();
        }

        private JsonNode list(JsonNode node, String path, String key) {
            JsonNode list = node.path(key);
            if (!list.isArray() || list.isEmpty()) {
                faults.add(path + "." + key + ": expected a list with at least one entry, found "
                        + (list.isMissingNode() ? "nothing" : list));
            }
            return list;
        }

        private String text(JsonNode node, String path, String key, String what) {
            JsonNode text = node.path(key);
            if (!text.isTextual() || text.asText().isEmpty()) {
                faults.add(path + "." + key + ": expected " + what + ", found "
                        + (text.isMissingNode() ? "nothing" : text));
                return "";
            }
            return text.asText();
        }

        private String interfaceName(JsonNode node, String path, String key) {
            String interfaceName = text(node, path, key, "an interface's name");
            if (interfaceName.length() > MAX_INTERFACE_LENGTH || interfaceName.contains("/")) {
                faults.add(path + "." + key + ": expected an interface's name of at most " + MAX_INTERFACE_LENGTH
                        + " characters, found \"" + interfaceName + "\"");
            }
            return interfaceName;
        }

        private URI uri(JsonNode node, String path) {
            try {
                URI uri = URI.create(node.asText());
                if (("http".equals(uri.getScheme()) || "https".equals(uri.getScheme())) && uri.getHost() != null) {
                    return uri;
                }
            } catch (IllegalArgumentException notUri) {
                // falls through to the one message
            }
            faults.add(path + ": expected an address such as \"http://127.0.0.1:8780\", found " + node);
            return URI.create("http://invalid");
        }
    }
}
