package org.dwsr.benchmark;

import java.util.List;
import java.util.Map;
import org.dwsr.config.ConfigException;
import org.dwsr.config.ConfigReader;
import org.dwsr.config.DwsrConfig;

/** The one network all benchmarks are about: two pools, a client, the VIP. */
final class Network {
    static final int CLIENT_ADDRESS = 0x0a000001;
    static final int VIP = 0x0a000064;
    static final int SERVICE_PORT = 80;
    static final long CLIENT_MAC = 0x0200_0000_00c1L;
    static final long SERVER_MAC = 0x0200_0000_0001L;
    static final long VMAC = 0x0200_5e00_0164L;
    static final long DATAPATH = 1;
    static final int CLIENT_PORT = 1;
    /** Content type 018 as the tag has it: the pool of server s1. */
    static final int IMAGES = 44;

    private Network() {}

    static DwsrConfig config() {
        Map<String, Object> images = Map.of(
                "id", "018", "match", List.of(Map.of("path", "/img/*"), Map.of("extension", "jpg")), "pool", "images");
        Map<String, Object> app = Map.of(
                "id", "020", "match", List.of(Map.of("extension", "php"), Map.of("host", "app.*")), "pool", "app");
        Map<String, Object> service = Map.of("port", 80, "contentTypes", List.of(images, app), "otherwise", "020");
        Map<String, Object> tree = Map.of(
                "vip",
                "10.0.0.100",
                "vmac",
                "02:00:5e:00:01:64",
                "services",
                List.of(service),
                "pools",
                List.of(
                        Map.of("name", "images", "schedule", "wlc", "servers", List.of("s1")),
                        Map.of("name", "app", "schedule", "wrr", "servers", List.of("s2"))),
                "servers",
                List.of(server(1), server(2)),
                "clients",
                List.of("of:0000000000000001/1"),
                "sessionCookies",
                List.of("PHPSESSID", "JSESSIONID"));
        try {
            return ConfigReader.read(tree);
        } catch (ConfigException e) {
            throw new IllegalStateException(e);
        }
    }

    private static Map<String, Object> server(int number) {
        return Map.of(
                "name",
                "s" + number,
                "id",
                "9C" + number,
                "mac",
                "02:00:00:00:00:0" + number,
                "attachment",
                "of:0000000000000001/" + (number + 2));
    }

    /** A GET of some 400 bytes as a browser sends it, for the pool of server s1. */
    static String get(String cookies) {
        return "GET /img/products/2026/summer/beach-umbrella-large.jpg HTTP/1.1\r\n"
                + "Host: www.example.com\r\n"
                + "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n"
                + "Accept: image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5\r\n"
                + "Accept-Language: en-US,en;q=0.5\r\n"
                + "Accept-Encoding: gzip, deflate\r\n"
                + "Connection: keep-alive\r\n"
                + "Cookie: " + cookies + "\r\n\r\n";
    }
}
