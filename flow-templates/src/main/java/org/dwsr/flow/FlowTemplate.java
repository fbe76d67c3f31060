package org.dwsr.flow;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * One row of a pipeline: what it matches, what happens then, and how long it lives. Immutable; a template whose
 * parameters are all bound is a flow that a switch can take.
 */
public final class FlowTemplate {
    /** For what a row is instantiated: once per datapath, service, server on the datapath, connection, or client. */
    public enum Scope {
        DATAPATH,
        SERVICE,
        SERVER,
        CONNECTION,
        CLIENT
    }

    private final String name;
    private final Scope scope;
    private final int row;
    private final int priority;
    private final MatchTemplate match;
    private final List<ActionTemplate> actions;
    private final int idleTimeoutSeconds;
    private final boolean flowRemoved;

    private FlowTemplate(
            String name,
            Scope scope,
            int row,
            int priority,
            MatchTemplate match,
            List<ActionTemplate> actions,
            int idleTimeoutSeconds,
            boolean flowRemoved) {
        if (priority < 0 || priority > 0xFFFF) {
            throw new IllegalArgumentException("priority " + priority + " is not in 0..65535");
        }
        if (idleTimeoutSeconds < 0 || idleTimeoutSeconds > 0xFFFF) {
            throw new IllegalArgumentException("idle timeout " + idleTimeoutSeconds + " s is not in 0..65535");
        }
        this.name = name;
        this.scope = scope;
        this.row = row;
        this.priority = priority;
        this.match = match;
        this.actions = List.copyOf(actions);
        this.idleTimeoutSeconds = idleTimeoutSeconds;
        this.flowRemoved = flowRemoved;
    }

    /** A permanent row; no action means drop. */
    public static FlowTemplate permanent(
            String name, Scope scope, int row, int priority, MatchTemplate match, ActionTemplate... actions) {
        return new FlowTemplate(name, scope, row, priority, match, List.of(actions), 0, false);
    }

    /** The same row with an idle timeout, whose end the switch reports by a flow-removed message. */
    public FlowTemplate idleTimeoutSeconds(int seconds) {
        return new FlowTemplate(name, scope, row, priority, match, actions, seconds, true);
    }

    public String name() {
        return name;
    }

    public Scope scope() {
        return scope;
    }

    /** The place in the pipeline; part of the cookie. */
    public int row() {
        return row;
    }

    public long cookie() {
        return FlowCookie.of(row);
    }

    public int priority() {
        return priority;
    }

    public MatchTemplate match() {
        return match;
    }

    /** Whether the row is about IPv6 alone: a datapath without an IPv6 VIP does without it. */
    public boolean isIpv6() {
        return match.isIpv6();
    }

    /** The actions in their order; empty means drop. */
    public List<ActionTemplate> actions() {
        return actions;
    }

    /** Seconds without a packet after which the switch removes the flow; 0 for never. */
    public int idleTimeoutSeconds() {
        return idleTimeoutSeconds;
    }

    /** Whether the switch reports the removal (OFPFF_SEND_FLOW_REM). */
    public boolean flowRemoved() {
        return flowRemoved;
    }

    /** The row with every parameter replaced by its value. */
    public FlowTemplate bind(FlowParameters parameters) {
        List<ActionTemplate> bound = new ArrayList<>(actions.size());
        for (ActionTemplate action : actions) {
            bound.add(action.bind(parameters));
        }
        return new FlowTemplate(
                name, scope, row, priority, match.bind(parameters), bound, idleTimeoutSeconds, flowRemoved);
    }

    /** Whether a switch takes both for the same flow: same priority and same match (OpenFlow 1.3.5, section 6.4). */
    public boolean isSameEntry(FlowTemplate other) {
        return priority == other.priority && match.equals(other.match);
    }

    @Override
    public boolean equals(@Nullable Object other) {
        if (!(other instanceof FlowTemplate)) {
            return false;
        }
        FlowTemplate that = (FlowTemplate) other;
        return name.equals(that.name)
                && scope == that.scope
                && row == that.row
                && isSameEntry(that)
                && actions.equals(that.actions)
                && idleTimeoutSeconds == that.idleTimeoutSeconds
                && flowRemoved == that.flowRemoved;
    }

    @Override
    public int hashCode() {
        return Objects.hash(row, priority, match);
    }

    @Override
    public String toString() {
        return name + "{" + priority + " " + match + " -> " + actions + "}";
    }
}
