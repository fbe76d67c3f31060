package org.dwsr.config;

import java.util.List;
import java.util.stream.Collectors;

/** A document that was refused as a whole, with every fault that was found in it. */
public final class ConfigException extends Exception {
    private static final long serialVersionUID = 1L;

    private final transient List<ConfigProblem> problems;

    ConfigException(List<ConfigProblem> problems) {
        super(problems.stream().map(ConfigProblem::toString).collect(Collectors.joining("\n")));
        this.problems = List.copyOf(problems);
    }

    /** The faults in the order of the document's reading; at least one. */
    public List<ConfigProblem> problems() {
        return problems;
    }
}
