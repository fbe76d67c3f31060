package org.dwsr.fuzz;

import com.code_intelligence.jazzer.api.FuzzedDataProvider;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import org.dwsr.config.ConfigException;
import org.dwsr.config.ConfigReader;

/** Any JSON as a configuration: taken, or refused with a path. */
public final class ConfigFuzz {
    private static final ObjectMapper JSON = new ObjectMapper();

    private ConfigFuzz() {}

    public static void fuzzerTestOneInput(FuzzedDataProvider data) {
        Object tree;
        try {
            tree = JSON.readValue(data.consumeRemainingAsString(), Object.class);
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
