package org.dwsr.flow;

import java.util.HashMap;
import java.util.Map;

/** Values for the named parameters of flow templates. Immutable. */
public final class FlowParameters {
    /** No parameter bound. */
    public static final FlowParameters NONE = new FlowParameters(Map.of());

    private final Map<String, FieldValue> values;

    private FlowParameters(Map<String, FieldValue> values) {
        this.values = values;
    }

    /** These parameters and one more; an earlier value of the same name is replaced. */
    public FlowParameters with(String name, long value) {
        return with(name, FieldValue.of(value));
    }

    /** The same with a value of 128 bits. */
    public FlowParameters with(String name, long high, long low) {
        return with(name, FieldValue.of(high, low));
    }

    private FlowParameters with(String name, FieldValue value) {
        Map<String, FieldValue> more = new HashMap<>(values);
        more.put(name, value);
        return new FlowParameters(more);
    }

    /**
     * The value bound to a name.
     *
     * @throws IllegalArgumentException if the name is not bound
     */
    public FieldValue value(String name) {
        FieldValue value = values.get(name);
        if (value == null) {
            throw new IllegalArgumentException(
                    "no value for the parameter $" + name + "; bound are " + values.keySet());
        }
        return value;
    }
}
