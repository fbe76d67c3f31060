package org.dwsr.onos.runtime;

import static org.onosproject.net.DeviceId.deviceId;
import static org.onosproject.openflow.controller.Dpid.dpid;
import static org.onosproject.openflow.controller.Dpid.uri;

import java.nio.ByteBuffer;
import java.util.List;
import org.onlab.packet.Ethernet;
import org.onosproject.net.ConnectPoint;
import org.onosproject.net.DeviceId;
import org.onosproject.net.PortNumber;
import org.onosproject.net.flow.TrafficTreatment;
import org.onosproject.net.packet.DefaultInboundPacket;
import org.onosproject.net.packet.DefaultOutboundPacket;
import org.onosproject.net.packet.DefaultPacketContext;
import org.onosproject.net.packet.InboundPacket;
import org.onosproject.net.packet.OutboundPacket;
import org.onosproject.net.packet.PacketProvider;
import org.onosproject.net.packet.PacketProviderRegistry;
import org.onosproject.net.packet.PacketProviderService;
import org.onosproject.net.provider.AbstractProvider;
import org.onosproject.net.provider.ProviderId;
import org.onosproject.openflow.controller.OpenFlowController;
import org.onosproject.openflow.controller.OpenFlowPacketContext;
import org.onosproject.openflow.controller.OpenFlowSwitch;
import org.onosproject.openflow.controller.PacketListener;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;
import org.projectfloodlight.openflow.protocol.OFFactory;
import org.projectfloodlight.openflow.protocol.OFPacketOut;
import org.projectfloodlight.openflow.protocol.action.OFAction;
import org.projectfloodlight.openflow.types.OFBufferId;
import org.projectfloodlight.openflow.types.OFPort;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Hands packet-ins to ONOS's packet service and its packets to the switches. */
@Component(immediate = true)
public final class PacketAdapter extends AbstractProvider implements PacketProvider, PacketListener {
    private static final Logger LOG = LoggerFactory.getLogger(PacketAdapter.class);
    private static final int PRIORITY = 20;

    private final PacketProviderRegistry registry;
    private final OpenFlowController controller;
    private final PacketProviderService packets;

    /** Called by the service runtime. */
    @Activate
    public PacketAdapter(@Reference PacketProviderRegistry registry, @Reference OpenFlowController controller) {
        super(new ProviderId("of", "org.dwsr.onos.runtime"));
        this.registry = registry;
        this.controller = controller;
        packets = registry.register(this);
        controller.addPacketListener(PRIORITY, this);
    }

    @Deactivate
    void deactivate() {
        controller.removePacketListener(this);
        registry.unregister(this);
    }

    @Override
    public void handlePacket(OpenFlowPacketContext context) {
        DeviceId device = deviceId(uri(context.dpid()));
        InboundPacket in = new DefaultInboundPacket(
                new ConnectPoint(device, PortNumber.portNumber(context.inPort())),
                context.parsed(),
                ByteBuffer.wrap(context.unparsed()),
                context.cookie());
        OutboundPacket out = new DefaultOutboundPacket(device, null, ByteBuffer.wrap(context.unparsed()));
        packets.processPacket(new Answerable(System.currentTimeMillis(), in, out, context));
    }

    @Override
    public void emit(OutboundPacket packet) {
        OpenFlowSwitch known = controller.getSwitch(dpid(packet.sendThrough().uri()));
        if (known == null) {
            LOG.warn("a packet for {}, which is not connected", packet.sendThrough());
            return;
        }
        OFFactory factory = known.factory();
        List<OFAction> actions =
                FlowMessages.actions(factory, packet.treatment().immediate());
        OFPacketOut.Builder out = factory.buildPacketOut()
                .setBufferId(OFBufferId.NO_BUFFER)
                .setInPort(packet.inPort() == null ? OFPort.CONTROLLER : FlowMessages.port(packet.inPort()))
                .setActions(actions)
                .setData(bytes(packet.data()));
        known.sendMsg(out.build());
    }

    private static byte[] bytes(ByteBuffer data) {
        ByteBuffer view = data.duplicate();
        view.rewind();
        byte[] copy = new byte[view.remaining()];
        view.get(copy);
        return copy;
    }

    private final class Answerable extends DefaultPacketContext {
        private final OpenFlowPacketContext context;

        Answerable(long time, InboundPacket in, OutboundPacket out, OpenFlowPacketContext context) {
            super(time, in, out, context.isHandled());
            this.context = context;
        }

        @Override
        public void send() {
            if (!block()) {
                return;
            }
            TrafficTreatment treatment = treatmentBuilder().build();
            Ethernet parsed = inPacket().parsed();
            emit(new DefaultOutboundPacket(
                    inPacket().receivedFrom().deviceId(),
                    treatment,
                    parsed == null ? inPacket().unparsed() : ByteBuffer.wrap(parsed.serialize()),
                    inPacket().receivedFrom().port()));
            context.block();
        }
    }
}
