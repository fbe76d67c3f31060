package org.dwsr.controller;

import io.netty.buffer.ByteBuf;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.handler.timeout.IdleStateEvent;
import org.jspecify.annotations.Nullable;
import org.projectfloodlight.openflow.exceptions.OFParseError;
import org.projectfloodlight.openflow.protocol.OFBarrierReply;
import org.projectfloodlight.openflow.protocol.OFErrorMsg;
import org.projectfloodlight.openflow.protocol.OFFeaturesReply;
import org.projectfloodlight.openflow.protocol.OFFlowRemoved;
import org.projectfloodlight.openflow.protocol.OFFlowStatsReply;
import org.projectfloodlight.openflow.protocol.OFMessage;
import org.projectfloodlight.openflow.protocol.OFPortDescStatsReply;
import org.projectfloodlight.openflow.protocol.OFPortStatus;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One switch's OpenFlow 1.3 connection: the handshake up to the datapath id, liveness, and what arrives, handed to the
 * agent. Everything that depends on the configuration is the agent's.
 *
 * <pre>
 *  state     | HELLO                  | FEATURES_REPLY   | anything else
 *  ----------+------------------------+------------------+---------------------
 *  HELLO     | FEATURES (asks for it) | close            | close (errors: log)
 *  FEATURES  | ignore                 | READY, to agent  | ignore
 *  READY     | ignore                 | ignore           | to agent
 * </pre>
 *
 * An echo request is answered in every state. A silent switch is asked for an echo and given up after
 * {@link #MAX_SILENT_PERIODS} periods.
 */
final class OpenFlowConnection extends SimpleChannelInboundHandler<ByteBuf> {
    /** Seconds of silence after which the switch is asked for an echo. */
    static final int SILENT_PERIOD_S = 5;
    /** How many silent periods end the connection. */
    static final int MAX_SILENT_PERIODS = 3;

    private static final Logger LOG = LoggerFactory.getLogger(OpenFlowConnection.class);
    private static final LogLimiter ERROR_LOG = new LogLimiter();

    private enum State {
        HELLO,
        FEATURES,
        READY
    }

    private final WebSwitchAgent agent;
    private final ControllerCounters counters;
    private State state = State.HELLO;
    private @Nullable Channel channel;
    private long datapath;
    private int silentPeriods;

    OpenFlowConnection(WebSwitchAgent agent, ControllerCounters counters) {
        super(ByteBuf.class);
        this.agent = agent;
        this.counters = counters;
    }

    /** The datapath id; meaningful once the agent has heard of this connection. */
    long datapath() {
        return datapath;
    }

    /** The channel to write to; meaningful once the agent has heard of this connection. */
    Channel channel() {
        Channel open = channel;
        if (open == null) {
            throw new IllegalStateException("not connected yet");
        }
        return open;
    }

    @Override
    public void channelActive(ChannelHandlerContext context) {
        channel = context.channel();
        counters.increment(ControllerCounter.OPENFLOW_CONNECTIONS_ACCEPTED);
        send(context, OpenFlowFlows.OF13.buildHello().build());
    }

    @Override
    public void channelInactive(ChannelHandlerContext context) {
        counters.increment(ControllerCounter.OPENFLOW_CONNECTIONS_CLOSED);
        if (state == State.READY) {
            agent.onDisconnected(this);
        }
    }

    @Override
    protected void channelRead0(ChannelHandlerContext context, ByteBuf message) throws OFParseError {
        silentPeriods = 0;
        if (message.readableBytes() < OpenFlowWire.HEADER_LENGTH) {
            protocolError(context, "a message shorter than its header");
            return;
        }
        int type = OpenFlowWire.type(message);
        if (state == State.HELLO) {
            onFirst(context, message, type);
        } else if (OpenFlowWire.version(message) != OpenFlowWire.VERSION) {
            protocolError(context, "version " + OpenFlowWire.version(message) + " after the handshake");
        } else if (type == OpenFlowWire.TYPE_PACKET_IN) {
            onPacketIn(context, message);
        } else if (type == OpenFlowWire.TYPE_ECHO_REQUEST) {
            echoReply(context, message);
        } else if (type != OpenFlowWire.TYPE_ECHO_REPLY && type != OpenFlowWire.TYPE_HELLO) {
            onMessage(OpenFlowFlows.OF13.getReader().readFrom(message));
        }
    }

    private void onFirst(ChannelHandlerContext context, ByteBuf message, int type) {
        if (type == OpenFlowWire.TYPE_ERROR) {
            LOG.warn("{} refused our HELLO", context.channel().remoteAddress());
            return;
        }
        // Without version bitmaps the lower of both versions is spoken (OpenFlow 1.3.5, section 6.3.1); ours is 1.3.
        if (type != OpenFlowWire.TYPE_HELLO || OpenFlowWire.version(message) < OpenFlowWire.VERSION) {
            protocolError(context, "no HELLO with OpenFlow 1.3; set protocols=OpenFlow13 on the bridge");
            return;
        }
        state = State.FEATURES;
        send(context, OpenFlowFlows.OF13.buildFeaturesRequest().build());
    }

    private void onPacketIn(ChannelHandlerContext context, ByteBuf message) {
        if (state != State.READY) {
            return;
        }
        counters.increment(ControllerCounter.PACKET_INS_RECEIVED);
        int offset = OpenFlowWire.frameOffset(message);
        if (offset < 0) {
            protocolError(context, "a malformed packet-in");
            return;
        }
        int length = message.readableBytes() - offset;
        if (length < OpenFlowWire.totalLength(message)) {
            counters.increment(ControllerCounter.PACKET_INS_DROPPED_TRUNCATED);
            return;
        }
        agent.onPacketIn(datapath, OpenFlowWire.inPort(message), message, message.readerIndex() + offset, length);
    }

    private void onMessage(OFMessage message) {
        if (message instanceof OFFeaturesReply reply && state == State.FEATURES) {
            state = State.READY;
            datapath = reply.getDatapathId().getLong();
            agent.onConnected(this);
        } else if (message instanceof OFErrorMsg error) {
            counters.increment(ControllerCounter.OPENFLOW_ERROR_MESSAGES);
            ERROR_LOG.log(heldBack -> LOG.warn(
                    "of:{} says {} ({} more error messages held back)",
                    String.format("%016x", datapath),
                    error,
                    heldBack));
        } else if (state != State.READY) {
            counters.increment(ControllerCounter.OPENFLOW_MESSAGES_IGNORED);
        } else if (message instanceof OFFlowRemoved removed) {
            agent.onFlowRemoved(this, removed);
        } else if (message instanceof OFFlowStatsReply reply) {
            agent.onFlowsRead(this, reply);
        } else if (message instanceof OFBarrierReply reply) {
            agent.onBarrier(this, reply.getXid());
        } else if (message instanceof OFPortDescStatsReply reply) {
            agent.onPorts(this, reply.getEntries());
        } else if (message instanceof OFPortStatus status) {
            counters.increment(ControllerCounter.PORT_STATUS_RECEIVED);
            agent.onPortStatus(this, status);
        } else {
            counters.increment(ControllerCounter.OPENFLOW_MESSAGES_IGNORED);
        }
    }

    private static void echoReply(ChannelHandlerContext context, ByteBuf request) {
        int payload = request.readableBytes() - OpenFlowWire.HEADER_LENGTH;
        ByteBuf reply = context.alloc().buffer(request.readableBytes());
        reply.writeByte(OpenFlowWire.VERSION);
        reply.writeByte(OpenFlowWire.TYPE_ECHO_REPLY);
        reply.writeShort(request.readableBytes());
        reply.writeInt(OpenFlowWire.xid(request));
        reply.writeBytes(request, request.readerIndex() + OpenFlowWire.HEADER_LENGTH, payload);
        write(context, reply);
    }

    @Override
    public void userEventTriggered(ChannelHandlerContext context, Object event) {
        if (!(event instanceof IdleStateEvent)) {
            context.fireUserEventTriggered(event);
            return;
        }
        silentPeriods++;
        if (silentPeriods >= MAX_SILENT_PERIODS) {
            counters.increment(ControllerCounter.OPENFLOW_LIVENESS_TIMEOUTS);
            LOG.warn(
                    "{} was silent for {} s: closing",
                    context.channel().remoteAddress(),
                    SILENT_PERIOD_S * MAX_SILENT_PERIODS);
            close(context);
            return;
        }
        ByteBuf request = context.alloc().buffer(OpenFlowWire.HEADER_LENGTH);
        OpenFlowWire.header(request, OpenFlowWire.TYPE_ECHO_REQUEST, 0);
        write(context, request);
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
        protocolError(context, String.valueOf(cause));
    }

    private void protocolError(ChannelHandlerContext context, String what) {
        counters.increment(ControllerCounter.OPENFLOW_PROTOCOL_ERRORS);
        ERROR_LOG.log(heldBack -> LOG.warn(
                "{}: {}: closing ({} more held back)", context.channel().remoteAddress(), what, heldBack));
        close(context);
    }

    private static void send(ChannelHandlerContext context, OFMessage message) {
        ByteBuf out = context.alloc().buffer();
        message.writeTo(out);
        write(context, out);
    }

    private static void write(ChannelHandlerContext context, ByteBuf message) {
        // The void promise turns a failed write into an exception of the channel, which closes it.
        ChannelFuture unused = context.writeAndFlush(message, context.voidPromise());
    }

    private static void close(ChannelHandlerContext context) {
        ChannelFuture unused = context.close();
    }
}
