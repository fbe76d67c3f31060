package org.dwsr.filter.host;

import com.fasterxml.jackson.core.JsonProcessingException;
import org.dwsr.config.ConfigException;
import org.dwsr.config.ConfigReader;
import org.dwsr.config.DwsrConfig;

/** Lets the fuzz target read what a web switch answers a filter, which nobody outside the package can. */
public final class ConfigurationReading {
    private ConfigurationReading() {}

    /** The configuration within an answer. */
    public static DwsrConfig read(String body) throws JsonProcessingException, ConfigException {
        return ConfigReader.read(ControlChannel.tree(body));
    }
}
