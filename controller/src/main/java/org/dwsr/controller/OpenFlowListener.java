package org.dwsr.controller;

import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.WriteBufferWaterMark;
import io.netty.channel.nio.NioEventLoopGroup;
import io.netty.channel.socket.SocketChannel;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.handler.codec.LengthFieldBasedFrameDecoder;
import io.netty.handler.timeout.IdleStateHandler;
import io.netty.util.concurrent.DefaultThreadFactory;
import io.netty.util.concurrent.Future;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.concurrent.TimeUnit;

/** The port that switches connect to. One event loop serves all of them: the agent is a single thread anyway. */
final class OpenFlowListener implements AutoCloseable {
    /** Above this many unsent bytes packet-outs to a switch are dropped. */
    private static final int SLOW_SWITCH_BYTES = 8 << 20;

    private final NioEventLoopGroup loops = new NioEventLoopGroup(1, new DefaultThreadFactory("openflow"));
    private final Channel listening;

    /**
     * Listens at once.
     *
     * @throws IOException if the address cannot be listened on
     */
    OpenFlowListener(InetSocketAddress address, WebSwitchAgent agent, ControllerCounters counters) throws IOException {
        this(address, agent, counters, OpenFlowConnection.SILENT_PERIOD_MS);
    }

    OpenFlowListener(InetSocketAddress address, WebSwitchAgent agent, ControllerCounters counters, long silentPeriodMs)
            throws IOException {
        ServerBootstrap bootstrap = new ServerBootstrap()
                .group(loops)
                .channel(NioServerSocketChannel.class)
                .option(ChannelOption.SO_REUSEADDR, true)
                .childOption(ChannelOption.TCP_NODELAY, true)
                .childOption(
                        ChannelOption.WRITE_BUFFER_WATER_MARK,
                        new WriteBufferWaterMark(SLOW_SWITCH_BYTES / 2, SLOW_SWITCH_BYTES))
                .childHandler(new ChannelInitializer<SocketChannel>() {
                    @Override
                    protected void initChannel(SocketChannel channel) {
                        channel.pipeline()
                                .addLast(framing())
                                .addLast(new IdleStateHandler(silentPeriodMs, 0, 0, TimeUnit.MILLISECONDS))
                                .addLast(new OpenFlowConnection(agent, counters));
                    }
                });
        try {
            listening = bootstrap.bind(address).syncUninterruptibly().channel();
        } catch (Exception e) {
            Future<?> unused = loops.shutdownGracefully(0, 1, TimeUnit.SECONDS);
            throw new IOException("cannot listen on " + address + " for switches: " + e.getMessage(), e);
        }
    }

    /** Cuts the stream into messages by the length in the header (OpenFlow 1.3.5, section 7.1). */
    static LengthFieldBasedFrameDecoder framing() {
        return new LengthFieldBasedFrameDecoder(OpenFlowWire.MAX_MESSAGE_LENGTH, 2, 2, -4, 0);
    }

    /** The port that is listened on. */
    int port() {
        return ((InetSocketAddress) listening.localAddress()).getPort();
    }

    @Override
    public void close() {
        listening.close().awaitUninterruptibly();
        loops.shutdownGracefully(0, 2, TimeUnit.SECONDS).awaitUninterruptibly(3, TimeUnit.SECONDS);
    }
}
