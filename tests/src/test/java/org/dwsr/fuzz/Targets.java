package org.dwsr.fuzz;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import org.dwsr.config.ConfigException;
import org.dwsr.config.ConfigReader;
import org.dwsr.config.DwsrConfig;

/** What the fuzz targets share. A target is a class whose name ends in Fuzz, with Jazzer's static method. */
final class Targets {
    /** Servers s1 and s2 serve content type 018, s3 and s4 020; one client port. */
    static final String DOCUMENT = document();

    static final DwsrConfig CONFIG = config();

    private Targets() {}

    static void check(boolean right, String what) {
        if (!right) {
            throw new AssertionError(what);
        }
    }

    private static String document() {
        StringBuilder servers = new StringBuilder();
        for (int i = 1; i <= 4; i++) {
            servers.append(i == 1 ? "" : ",")
                    .append("{'name':'s" + i + "','id':'9C" + i + "','mac':'02:00:00:00:00:0" + i)
                    .append("','attachment':'of:0000000000000001/" + (i + 2) + "'}");
        }
        String text = "{'vip':'10.0.0.100','vmac':'02:00:5e:00:01:64','services':[{'port':80,'contentTypes':["
                + "{'id':'018','match':[{'path':'/img/*'}],'pool':'images'},"
                + "{'id':'020','match':[{'extension':'php'}],'pool':'app'}],'otherwise':'020'}],"
                + "'pools':[{'name':'images','schedule':'rr','servers':['s1','s2']},"
                + "{'name':'app','schedule':'rr','servers':['s3','s4']}],'servers':[" + servers
                + "],'clients':['of:0000000000000001/1'],'sessionCookies':['PHPSESSID']}";
        return text.replace('\'', '"');
    }

    private static DwsrConfig config() {
        try {
            return ConfigReader.read(new ObjectMapper().readValue(DOCUMENT, Object.class));
        } catch (JsonProcessingException | ConfigException e) {
            throw new AssertionError(e);
        }
    }
}
