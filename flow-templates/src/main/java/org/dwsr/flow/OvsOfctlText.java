package org.dwsr.flow;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Renders bound flows as the text that {@code ovs-ofctl -O OpenFlow13 add-flow} (and add-flows) takes. */
public final class OvsOfctlText {
    private OvsOfctlText() {}

    /** One flow, one line without the line end. */
    public static String flow(FlowTemplate flow) {
        List<String> parts = new ArrayList<>();
        parts.add("table=0");
        parts.add("priority=" + flow.priority());
        parts.add("cookie=0x" + Long.toHexString(flow.cookie()));
        if (flow.idleTimeoutSeconds() != 0) {
            parts.add("idle_timeout=" + flow.idleTimeoutSeconds());
        }
        if (flow.flowRemoved()) {
            parts.add("send_flow_rem");
        }
        match(flow.match(), parts);
        parts.add("actions=" + actions(flow.actions()));
        return String.join(",", parts);
    }

    /** Flows as a file for {@code add-flows}: a comment with each row's name, then its line. */
    public static String pipeline(List<FlowTemplate> flows) {
        StringBuilder text = new StringBuilder();
        String row = "";
        for (FlowTemplate flow : flows) {
            if (!flow.name().equals(row)) {
                row = flow.name();
                text.append("# ").append(row).append('\n');
            }
            text.append(flow(flow)).append('\n');
        }
        return text.toString();
    }

    private static void match(MatchTemplate match, List<String> parts) {
        String protocol = protocol(match);
        if (!protocol.isEmpty()) {
            parts.add(protocol);
        }
        for (MatchField field : match.fields()) {
            long value = match.value(field);
            long mask = match.mask(field);
            boolean exact = match.isExact(field);
            switch (field) {
                case IN_PORT:
                    parts.add("in_port=" + value);
                    break;
                case ETH_DST:
                    parts.add("dl_dst=" + mac(value) + (exact ? "" : "/" + mac(mask)));
                    break;
                case ETH_SRC:
                    parts.add("dl_src=" + mac(value) + (exact ? "" : "/" + mac(mask)));
                    break;
                case ETH_TYPE:
                    if (protocol.isEmpty()) {
                        parts.add(String.format(Locale.ROOT, "dl_type=0x%04x", value));
                    }
                    break;
                case IP_PROTO:
                    if (!protocol.startsWith("tcp") && !protocol.equals("icmp6")) {
                        parts.add("nw_proto=" + value);
                    }
                    break;
                case VLAN_VID:
                    parts.add(String.format(Locale.ROOT, "vlan_tci=0x%04x/0x%04x", value, mask));
                    break;
                case IPV6_SRC:
                    parts.add("ipv6_src=" + ipv6(match.high(field), value));
                    break;
                case IPV6_DST:
                    parts.add("ipv6_dst=" + ipv6(match.high(field), value));
                    break;
                case ICMPV6_TYPE:
                    parts.add("icmp_type=" + value);
                    break;
                case ND_TARGET:
                    parts.add("nd_target=" + ipv6(match.high(field), value));
                    break;
                case IPV4_SRC:
                    parts.add("nw_src=" + ipv4(value, mask));
                    break;
                case IPV4_DST:
                    parts.add("nw_dst=" + ipv4(value, mask));
                    break;
                case TCP_SRC:
                    parts.add("tp_src=" + port(value, mask));
                    break;
                case TCP_DST:
                    parts.add("tp_dst=" + port(value, mask));
                    break;
                case ARP_SPA:
                    parts.add("arp_spa=" + ipv4(value, mask));
                    break;
                case ARP_TPA:
                    parts.add("arp_tpa=" + ipv4(value, mask));
                    break;
            }
        }
    }

    private static String protocol(MatchTemplate match) {
        if (!match.has(MatchField.ETH_TYPE)) {
            return "";
        }
        long ethType = match.value(MatchField.ETH_TYPE);
        if (ethType == MatchTemplate.ETH_TYPE_ARP) {
            return "arp";
        }
        long carried = match.has(MatchField.IP_PROTO) ? match.value(MatchField.IP_PROTO) : -1;
        if (ethType == MatchTemplate.ETH_TYPE_IPV6) {
            return carried == MatchTemplate.IP_PROTO_TCP
                    ? "tcp6"
                    : carried == MatchTemplate.IP_PROTO_ICMPV6 ? "icmp6" : "ipv6";
        }
        if (ethType != MatchTemplate.ETH_TYPE_IPV4) {
            return "";
        }
        return carried == MatchTemplate.IP_PROTO_TCP ? "tcp" : "ip";
    }

    private static String actions(List<ActionTemplate> actions) {
        if (actions.isEmpty()) {
            return "drop";
        }
        List<String> parts = new ArrayList<>();
        for (ActionTemplate action : actions) {
            switch (action.kind()) {
                case SET_ETH_DST:
                    parts.add("set_field:" + mac(action.value()) + "->eth_dst");
                    break;
                case SET_ETH_SRC:
                    parts.add("set_field:" + mac(action.value()) + "->eth_src");
                    break;
                case OUTPUT:
                    parts.add(output(action.value()));
                    break;
            }
        }
        return String.join(",", parts);
    }

    private static String output(long port) {
        if (port == ActionTemplate.PORT_CONTROLLER) {
            return "CONTROLLER:" + ActionTemplate.WHOLE_PACKET;
        }
        return port == ActionTemplate.PORT_NORMAL ? "NORMAL" : "output:" + port;
    }

    private static String port(long value, long mask) {
        return mask == 0xFFFF ? Long.toString(value) : String.format(Locale.ROOT, "0x%04x/0x%04x", value, mask);
    }

    private static String ipv4(long value, long mask) {
        return mask == 0xFFFF_FFFFL ? dotted(value) : dotted(value) + "/" + dotted(mask);
    }

    private static String dotted(long address) {
        return ((address >> 24) & 0xFF) + "." + ((address >> 16) & 0xFF) + "." + ((address >> 8) & 0xFF) + "."
                + (address & 0xFF);
    }

    /** Eight groups, which every parser takes. */
    private static String ipv6(long high, long low) {
        StringBuilder text = new StringBuilder(39);
        for (int i = 0; i < 8; i++) {
            long half = i < 4 ? high : low;
            text.append(i == 0 ? "" : ":").append(Long.toHexString(half >>> 48 - i % 4 * 16 & 0xFFFF));
        }
        return text.toString();
    }

    private static String mac(long mac) {
        StringBuilder text = new StringBuilder(17);
        for (int shift = 40; shift >= 0; shift -= 8) {
            text.append(String.format(Locale.ROOT, "%02x", (mac >> shift) & 0xFF));
            if (shift > 0) {
                text.append(':');
            }
        }
        return text.toString();
    }
}
