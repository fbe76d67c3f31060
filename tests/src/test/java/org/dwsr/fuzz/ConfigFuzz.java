package org.dwsr.fuzz;

import com.code_intelligence.jazzer.api.FuzzedDataProvider;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import org.dwsr.config.ConfigException;
import org.dwsr.config.ConfigReader;

/** Any JSON as a configuration, and a sound one with a part replaced: taken, or refused with a path. */
public final class ConfigFuzz {
    private static final ObjectMapper JSON = new ObjectMapper();

    private ConfigFuzz() {}

    public static void fuzzerTestOneInput(FuzzedDataProvider data) {
        int from = data.consumeInt(-1, Targets.DOCUMENT.length());
        int to = data.consumeInt(Math.max(from, 0), Math.min(Targets.DOCUMENT.length(), Math.max(from, 0) + 40));
        String text = data.consumeRemainingAsString();
        Object tree;
        try {
            String document =
                    from < 0 ? text : Targets.DOCUMENT.substring(0, from) + text + Targets.DOCUMENT.substring(to);
            tree = JSON.readValue(document, Object.class);
        } catch (JsonProcessingException | IllegalArgumentException e) {
            return;
        }
        try {
            Targets.check(!ConfigReader.read(tree).servers().isEmpty(), "a configuration without servers is taken");
        } catch (ConfigException e) {
            Targets.check(!e.problems().isEmpty(), "refused without a problem");
            e.problems().forEach(problem -> Targets.check(problem.path().startsWith("$"), problem.path()));
        }
    }
}
