package org.dwsr.flow;

import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** A value of a match field or of an action: a literal, or the name of a parameter that is bound later. */
public final class FieldValue {
    private final @Nullable String parameter;
    private final long literal;

    private FieldValue(@Nullable String parameter, long literal) {
        this.parameter = parameter;
        this.literal = literal;
    }

    /** A literal in the low bits; addresses as in {@code int} IPv4 and 48-bit {@code long} MAC. */
    public static FieldValue of(long literal) {
        return new FieldValue(null, literal);
    }

    /** A place to be filled by {@link FlowParameters}. */
    public static FieldValue parameter(String name) {
        return new FieldValue(Objects.requireNonNull(name), 0);
    }

    public boolean isBound() {
        return parameter == null;
    }

    /**
     * The literal.
     *
     * @throws IllegalStateException if this is an unbound parameter
     */
    public long value() {
        if (parameter != null) {
            throw new IllegalStateException("the parameter $" + parameter + " is not bound");
        }
        return literal;
    }

    FieldValue bind(FlowParameters parameters) {
        return parameter == null ? this : of(parameters.value(parameter));
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof FieldValue
                && ((FieldValue) other).literal == literal
                && Objects.equals(((FieldValue) other).parameter, parameter);
    }

    @Override
    public int hashCode() {
        return Objects.hash(parameter, literal);
    }

    @Override
    public String toString() {
        return parameter == null ? Long.toUnsignedString(literal) : "$" + parameter;
    }
}
