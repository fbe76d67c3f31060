package org.dwsr.controller;

import io.netty.buffer.ByteBuf;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.handler.timeout.IdleStateEvent;
import java.io.IOException;
import org.dwsr.flow.FlowCookie;
import org.jspecify.annotations.Nullable;
import org.projectfloodlight.openflow.exceptions.OFParseError;
import org.projectfloodlight.openflow.protocol.OFBarrierReply;
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
 *  state     | HELLO                      | FEATURES_REPLY   | ECHO_REQUEST | what breaks the protocol | anything else
 *  ----------+----------------------------+------------------+--------------+--------------------------+--------------
 *  HELLO     | 1.3: FEATURES, asks for it | close            | close        | close                    | close
 *            | else HELLO_FAILED, close   |                  |              |                          |
 *  FEATURES  | ignore                     | READY, to agent  | answer       | close                    | ignore
 *  READY     | ignore                     | ignore           | answer       | close                    | to agent
 *  CLOSED    | -                          | -                | -            | -                        | -
 * </pre>
 *
 * A silent switch is asked for an echo and given up after {@link #MAX_SILENT_PERIODS} periods. Messages that we never
 * need are counted, not read: other applications' flows may have fields that OpenFlowJ does not know.
 */
final class OpenFlowConnection extends SimpleChannelInboundHandler<ByteBuf> {
    /** How long a switch may be silent before it is asked for an echo. */
    static final long SILENT_PERIOD_MS = 5_000;
    /** How many silent periods end the connection. */
    static final int MAX_SILENT_PERIODS = 3;

    private static final Logger LOG = LoggerFactory.getLogger(OpenFlowConnection.class);
    private static final LogLimiter ERROR_LOG = new LogLimiter();

    private static final String NEEDED = "OpenFlow 1.3 is needed: set protocols=OpenFlow13 on the bridge";

    private enum State {
        HELLO,
        FEATURES,
        READY,
        CLOSED
    }

    private final WebSwitchAgent agent;
    private final ControllerCounters counters;
    private State state = State.HELLO;
    private @Nullable Channel channel;
    private long datapath;
    private int silentPeriods;
    private boolean announced;

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
        send(context, OpenFlowFlows.hello());
    }

    @Override
    public void channelInactive(ChannelHandlerContext context) {
        counters.increment(ControllerCounter.OPENFLOW_CONNECTIONS_CLOSED);
        state = State.CLOSED;
        if (announced) {
            agent.onDisconnected(this);
        }
    }

    @Override
    protected void channelRead0(ChannelHandlerContext context, ByteBuf message) throws OFParseError {
        if (state == State.CLOSED) {
            // The same read may have brought more than what we closed for.
            return;
        }
        silentPeriods = 0;
        if (message.readableBytes() < OpenFlowWire.HEADER_LENGTH) {
            protocolError(context, "a message shorter than its header");
            return;
        }
        int type = OpenFlowWire.type(message);
        if (state == State.HELLO) {
            onFirst(context, message, type);
            return;
        }
        if (OpenFlowWire.version(message) != OpenFlowWire.VERSION) {
            protocolError(context, "version " + OpenFlowWire.version(message) + " after the handshake");
            return;
        }
        switch (type) {
            case OpenFlowWire.TYPE_PACKET_IN -> onPacketIn(context, message);
            case OpenFlowWire.TYPE_ECHO_REQUEST -> echoReply(context, message);
            case OpenFlowWire.TYPE_ERROR -> onError(message);
            case OpenFlowWire.TYPE_FLOW_REMOVED -> {
                if (FlowCookie.isOurs(OpenFlowWire.flowRemovedCookie(message))) {
                    onMessage(OpenFlowFlows.OF13.getReader().readFrom(message));
                } else {
                    counters.increment(ControllerCounter.OPENFLOW_MESSAGES_IGNORED);
                }
            }
            case OpenFlowWire.TYPE_FEATURES_REPLY,
                    OpenFlowWire.TYPE_PORT_STATUS,
                    OpenFlowWire.TYPE_MULTIPART_REPLY,
                    OpenFlowWire.TYPE_BARRIER_REPLY ->
                onMessage(OpenFlowFlows.OF13.getReader().readFrom(message));
            case OpenFlowWire.TYPE_ECHO_REPLY, OpenFlowWire.TYPE_HELLO -> {}
            default -> counters.increment(ControllerCounter.OPENFLOW_MESSAGES_IGNORED);
        }
    }

    private void onFirst(ChannelHandlerContext context, ByteBuf message, int type) {
        if (type == OpenFlowWire.TYPE_ERROR) {
            protocolError(context, "refused our HELLO; " + NEEDED);
        } else if (type != OpenFlowWire.TYPE_HELLO) {
            protocolError(context, "no HELLO; " + NEEDED);
        } else if (!OpenFlowWire.helloAllows13(message)) {
            ByteBuf error = context.alloc().buffer();
            OpenFlowWire.helloFailed(error, message, NEEDED);
            failed("no OpenFlow 1.3 in its HELLO; " + NEEDED, context);
            ChannelFuture unused = context.writeAndFlush(error).addListener(ChannelFutureListener.CLOSE);
        } else {
            state = State.FEATURES;
            send(context, OpenFlowFlows.OF13.buildFeaturesRequest().build());
        }
    }

    private void onPacketIn(ChannelHandlerContext context, ByteBuf message) {
        if (state != State.READY) {
            counters.increment(ControllerCounter.OPENFLOW_MESSAGES_IGNORED);
            return;
        }
        counters.increment(ControllerCounter.PACKET_INS_RECEIVED);
        int offset = OpenFlowWire.frameOffset(message);
        if (offset < 0) {
            protocolError(context, "a malformed packet-in");
            return;
        }
        int inPort = OpenFlowWire.inPort(message);
        if (inPort == OpenFlowWire.NO_PORT) {
            protocolError(context, "a packet-in without in_port");
            return;
        }
        int length = message.readableBytes() - offset;
        if (length < OpenFlowWire.totalLength(message)) {
            counters.increment(ControllerCounter.PACKET_INS_DROPPED_TRUNCATED);
            return;
        }
        agent.onPacketIn(datapath, inPort, message, message.readerIndex() + offset, length);
    }

    private void onMessage(OFMessage message) {
        if (message instanceof OFFeaturesReply reply && state == State.FEATURES) {
            state = State.READY;
            datapath = reply.getDatapathId().getLong();
            announced = true;
            agent.onConnected(this);
        } else if (state != State.READY) {
            counters.increment(ControllerCounter.OPENFLOW_MESSAGES_IGNORED);
        } else if (message instanceof OFFlowRemoved removed) {
            agent.onFlowRemoved(this, removed);
        } else if (message instanceof OFFlowStatsReply reply) {
            agent.onFlowsRead(this, reply);
        } else if (message instanceof OFBarrierReply reply) {
            agent.onBarrier(this, reply.getXid());
        } else if (message instanceof OFPortDescStatsReply reply) {
            agent.onPorts(this, reply);
        } else if (message instanceof OFPortStatus status) {
            counters.increment(ControllerCounter.PORT_STATUS_RECEIVED);
            agent.onPortStatus(this, status);
        } else {
            counters.increment(ControllerCounter.OPENFLOW_MESSAGES_IGNORED);
        }
    }

    private void onError(ByteBuf message) {
        counters.increment(ControllerCounter.OPENFLOW_ERROR_MESSAGES);
        ERROR_LOG.log(heldBack -> LOG.warn(
                "of:{} says {} ({} more error messages held back)",
                String.format("%016x", datapath),
                OpenFlowWire.describeError(message),
                heldBack));
    }

    private void echoReply(ChannelHandlerContext context, ByteBuf request) {
        if (!context.channel().isWritable()) {
            // Who does not read cannot miss it; who sends without reading must not fill our memory.
            counters.increment(ControllerCounter.OPENFLOW_MESSAGES_IGNORED);
            return;
        }
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
            LOG.warn("{} was silent for {} periods: closing", context.channel().remoteAddress(), MAX_SILENT_PERIODS);
            close(context);
            return;
        }
        ByteBuf request = context.alloc().buffer(OpenFlowWire.HEADER_LENGTH);
        OpenFlowWire.header(request, OpenFlowWire.TYPE_ECHO_REQUEST, 0);
        write(context, request);
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
        if (cause instanceof IOException) {
            // A connection that broke (reset, or closed while we wrote) breaks no rule of the protocol.
            LOG.debug("{}: {}", context.channel().remoteAddress(), cause.toString());
            state = State.CLOSED;
            close(context);
        } else {
            protocolError(context, String.valueOf(cause));
        }
    }

    private void protocolError(ChannelHandlerContext context, String what) {
        if (state != State.CLOSED) {
            failed(what, context);
            close(context);
        }
    }

    private void failed(String what, ChannelHandlerContext context) {
        state = State.CLOSED;
        counters.increment(ControllerCounter.OPENFLOW_PROTOCOL_ERRORS);
        ERROR_LOG.log(heldBack -> LOG.warn(
                "{}: {}: closing ({} more held back)", context.channel().remoteAddress(), what, heldBack));
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
