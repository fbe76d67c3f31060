package org.dwsr.controller;

import java.nio.ByteBuffer;
import org.dwsr.config.DwsrConfig;
import org.dwsr.packet.IpAddress;
import org.dwsr.switching.CounterSink;
import org.dwsr.switching.FilterReport;
import org.dwsr.switching.SwitchOutput;
import org.dwsr.switching.SynCookie;
import org.dwsr.switching.WebSwitch;

/** What the agent drives: {@link WebSwitch}, or in tests something that records. Called by the agent's thread only. */
interface SwitchingLogic {
    void configure(DwsrConfig config, long nowNs);

    void onPacketIn(long datapath, int inPort, ByteBuffer frame, int offset, int length, long nowNs);

    void onFlowRemoved(long datapath, long connectionKey, long nowNs);

    void onFlowRead(long datapath, long connectionKey, IpAddress client, long serverMac, long nowNs);

    void onReturnRemoved(long datapath, long clientMac, boolean ipv6);

    void onReturnRead(long datapath, long clientMac, boolean ipv6, int port);

    void onDatapath(long datapath, boolean connected, long nowNs);

    /** False when a full report is wanted. */
    boolean onFilterReport(FilterReport report, long nowNs);

    void onTick(long nowNs);

    void counters(CounterSink sink);

    /** Makes the logic once its output exists. */
    @FunctionalInterface
    interface Factory {
        SwitchingLogic create(SwitchOutput output);
    }

    /** The web switch itself. */
    static Factory webSwitch(byte[] synCookieKey) {
        return output -> new WebSwitchLogic(new WebSwitch(new SynCookie(synCookieKey), output));
    }

    /** Passes every call on. */
    record WebSwitchLogic(WebSwitch webSwitch) implements SwitchingLogic {
        @Override
        public void configure(DwsrConfig config, long nowNs) {
            webSwitch.configure(config, nowNs);
        }

        @Override
        public void onPacketIn(long datapath, int inPort, ByteBuffer frame, int offset, int length, long nowNs) {
            webSwitch.onPacketIn(datapath, inPort, frame, offset, length, nowNs);
        }

        @Override
        public void onFlowRemoved(long datapath, long connectionKey, long nowNs) {
            webSwitch.onFlowRemoved(datapath, connectionKey, nowNs);
        }

        @Override
        public void onFlowRead(long datapath, long connectionKey, IpAddress client, long serverMac, long nowNs) {
            webSwitch.onFlowRead(datapath, connectionKey, client, serverMac, nowNs);
        }

        @Override
        public void onReturnRemoved(long datapath, long clientMac, boolean ipv6) {
            webSwitch.onReturnRemoved(datapath, clientMac, ipv6);
        }

        @Override
        public void onReturnRead(long datapath, long clientMac, boolean ipv6, int port) {
            webSwitch.onReturnRead(datapath, clientMac, ipv6, port);
        }

        @Override
        public void onDatapath(long datapath, boolean connected, long nowNs) {
            webSwitch.onDatapath(datapath, connected, nowNs);
        }

        @Override
        public boolean onFilterReport(FilterReport report, long nowNs) {
            return webSwitch.onFilterReport(report, nowNs);
        }

        @Override
        public void onTick(long nowNs) {
            webSwitch.onTick(nowNs);
        }

        @Override
        public void counters(CounterSink sink) {
            webSwitch.counters(sink);
        }
    }
}
