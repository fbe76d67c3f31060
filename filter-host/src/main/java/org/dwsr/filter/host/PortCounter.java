package org.dwsr.filter.host;

import java.util.Locale;

/** What a packet port counts; nothing it loses goes uncounted. */
enum PortCounter {
    RX_FRAMES("frames received"),
    RX_BYTES("bytes received, without the frames' checksums"),
    RX_KERNEL_DROPS("frames the kernel dropped because the ring was full"),
    RX_LONG("frames longer than a slot of the ring, received whole by a call of their own"),
    RX_TRUNCATED("frames longer than a slot of the ring of which the rest was lost, dropped"),
    RX_VLAN("frames whose VLAN tag was put back"),
    TX_FRAMES("frames sent"),
    TX_BYTES("bytes sent, without the frames' checksums"),
    TX_INJECTED("frames made by the filter itself, queued"),
    TX_SEGMENTED("frames made by the filter itself that exceed the MTU and are left to the kernel to segment"),
    TX_BUSY("attempts to send that found no room behind the interface; the frame stays queued"),
    TX_DROPPED_BUSY("frames dropped because the interface took nothing for too long"),
    TX_DROPPED_FULL("frames dropped because the queue was full"),
    TX_DROPPED_LENGTH("frames dropped because they exceed the MTU"),
    TX_DROPPED_DOWN("frames dropped because the interface is down or gone"),
    TX_DROPPED_ERROR("frames the kernel refused for another reason"),
    FAULT_LOST("frames dropped on purpose (--faults)"),
    FAULT_DUPLICATED("frames doubled on purpose (--faults)"),
    FAULT_REORDERED("frames held back on purpose (--faults)"),
    FAULT_OVERFLOW("frames that escaped their fault for want of room"),
    DELAYED("frames delayed on purpose"),
    DELAY_OVERFLOW("frames dropped because too many are delayed"),
    OPENED("times the interface was opened");

    private final String help;

    PortCounter(String help) {
        this.help = help;
    }

    /** A sentence for people. */
    String help() {
        return help;
    }

    /** In snake case. */
    String key() {
        return name().toLowerCase(Locale.ROOT);
    }
}
