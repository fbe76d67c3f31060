package org.dwsr.flow;

import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** One action of a flow: rewrite an Ethernet address, or output to a port. Immutable. */
public final class ActionTemplate {
    /** What an action does. */
    public enum Kind {
        SET_ETH_DST,
        SET_ETH_SRC,
        OUTPUT
    }

    /** OFPP_NORMAL: the switch's own L2 forwarding (OpenFlow 1.3.5, section 7.2.1). */
    public static final long PORT_NORMAL = 0xfffffffaL;
    /** OFPP_CONTROLLER: a packet-in. */
    public static final long PORT_CONTROLLER = 0xfffffffdL;
    /** OFPCML_NO_BUFFER: a packet-in carries the whole packet and the switch keeps none of it. */
    public static final int WHOLE_PACKET = 0xffff;

    private final Kind kind;
    private final FieldValue value;

    private ActionTemplate(Kind kind, FieldValue value) {
        this.kind = kind;
        this.value = value;
    }

    public static ActionTemplate setEthDst(FieldValue mac) {
        return new ActionTemplate(Kind.SET_ETH_DST, mac);
    }

    public static ActionTemplate setEthSrc(FieldValue mac) {
        return new ActionTemplate(Kind.SET_ETH_SRC, mac);
    }

    /** Output to a port number, {@link #PORT_NORMAL} or {@link #PORT_CONTROLLER}. */
    public static ActionTemplate output(FieldValue port) {
        return new ActionTemplate(Kind.OUTPUT, port);
    }

    public static ActionTemplate controller() {
        return output(FieldValue.of(PORT_CONTROLLER));
    }

    public static ActionTemplate normal() {
        return output(FieldValue.of(PORT_NORMAL));
    }

    public Kind kind() {
        return kind;
    }

    /** The MAC or the port; unsigned. */
    public long value() {
        return value.value();
    }

    ActionTemplate bind(FlowParameters parameters) {
        return new ActionTemplate(kind, value.bind(parameters));
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof ActionTemplate
                && ((ActionTemplate) other).kind == kind
                && ((ActionTemplate) other).value.equals(value);
    }

    @Override
    public int hashCode() {
        return Objects.hash(kind, value);
    }

    @Override
    public String toString() {
        return kind + "(" + value + ")";
    }
}
