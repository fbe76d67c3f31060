package org.dwsr.flow;

import java.util.Locale;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** A value of a match field or of an action: a literal, or the name of a parameter that is bound later. */
public final class FieldValue {
    private final @Nullable String parameter;
    private final long high;
    private final long literal;

    private FieldValue(@Nullable String parameter, long high, long literal) {
        this.high = high;
        this.parameter = parameter;
        this.literal = literal;
    }

    /** A literal in the low bits; addresses as in {@code int} IPv4 and 48-bit {@code long} MAC. */
    public static FieldValue of(long literal) {
        return new FieldValue(null, 0, literal);
    }

    /** A literal of 128 bits, an IPv6 address. */
    public static FieldValue of(long high, long low) {
        return new FieldValue(null, high, low);
    }

    /** A place to be filled by {@link FlowParameters}. */
    public static FieldValue parameter(String name) {
        return new FieldValue(Objects.requireNonNull(name), 0, 0);
    }

    public boolean isBound() {
        return parameter == null;
    }

    /** The upper 64 bits of a literal; 0 unless it has 128. */
    public long high() {
        return high;
    }

    /**
     * The literal, or its lower 64 bits.
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
        return parameter == null ? this : parameters.value(parameter);
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof FieldValue
                && ((FieldValue) other).literal == literal
                && ((FieldValue) other).high == high
                && Objects.equals(((FieldValue) other).parameter, parameter);
    }

    @Override
    public int hashCode() {
        return Objects.hash(parameter, high, literal);
    }

    @Override
    public String toString() {
        if (parameter != null) {
            return "$" + parameter;
        }
        return high == 0
                ? Long.toUnsignedString(literal)
                : "0x" + Long.toHexString(high) + String.format(Locale.ROOT, "%016x", literal);
    }
}
