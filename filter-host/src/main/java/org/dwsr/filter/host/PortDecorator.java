package org.dwsr.filter.host;

/** Puts something around the two directions of a port when it is opened; by itself it leaves both as they are. */
interface PortDecorator {
    /** Leaves every port as it is. */
    PortDecorator NONE = new PortDecorator() {};

    /**
     * What is read instead of a port's ring.
     *
     * @param name the port pair's name
     * @param counters the port's
     */
    default FrameSource receiving(String name, PortSide side, FrameSource ring, PortCounters counters) {
        return ring;
    }

    /** What is written to instead of a port's transmit queue; see {@link #receiving}. */
    default FrameSink sending(String name, PortSide side, FrameSink queue, PortCounters counters) {
        return queue;
    }
}
