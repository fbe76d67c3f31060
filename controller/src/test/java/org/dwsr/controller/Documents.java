package org.dwsr.controller;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import org.dwsr.config.ConfigException;
import org.dwsr.config.ConfigReader;
import org.dwsr.config.DwsrConfig;

/** Configuration documents for tests: VIP 10.0.0.100, servers s1, s2 at datapath 1 and s3 at datapath 2. */
final class Documents {
    static final int VIP = 0x0A00_0064;
    static final long VMAC = 0x0200_5E00_0164L;
    static final long S1_MAC = 0x0200_0000_0001L;
    static final long S3_MAC = 0x0200_0000_0003L;

    private Documents() {}

    /** The document with these service ports; each port's only pool has all servers. */
    static String text(int... servicePorts) {
        StringBuilder services = new StringBuilder();
        for (int port : servicePorts) {
            services.append(services.length() == 0 ? "" : ",").append("""
                            { "port": %d, "contentTypes": [ { "id": "020", "match": [ { "path": "/*" } ], "pool": "app" } ],
                              "otherwise": "020" }""".formatted(port));
        }
        return """
               { "vip": "10.0.0.100", "vmac": "02:00:5e:00:01:64",
                 "services": [ %s ],
                 "pools": [ { "name": "app", "schedule": "rr", "servers": [ "s1", "s2", "s3" ] } ],
                 "servers": [
                   { "name": "s1", "id": "9C1", "mac": "02:00:00:00:00:01", "attachment": "of:0000000000000001/3" },
                   { "name": "s2", "id": "9C2", "mac": "02:00:00:00:00:02", "attachment": "of:0000000000000001/4" },
                   { "name": "s3", "id": "9C3", "mac": "02:00:00:00:00:03", "attachment": "of:0000000000000002/3" } ],
                 "clients": [ "of:0000000000000001/1" ],
                 "sessionCookies": [ "PHPSESSID" ] }
               """.formatted(services);
    }

    static DwsrConfig config(int... servicePorts) {
        return config(text(servicePorts));
    }

    /** The same with an IPv6 address for the VIP. */
    static DwsrConfig dualStack(int... servicePorts) {
        return config(text(servicePorts).replace("\"vmac\"", "\"vip6\": \"fd00::100\", \"vmac\""));
    }

    static DwsrConfig config(String text) {
        try {
            return ConfigReader.read(new ObjectMapper().readValue(text, Object.class));
        } catch (JsonProcessingException | ConfigException e) {
            throw new AssertionError(e);
        }
    }
}
