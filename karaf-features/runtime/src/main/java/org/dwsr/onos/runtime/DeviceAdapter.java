package org.dwsr.onos.runtime;

import static org.onosproject.net.DeviceId.deviceId;
import static org.onosproject.openflow.controller.Dpid.dpid;
import static org.onosproject.openflow.controller.Dpid.uri;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.onlab.packet.ChassisId;
import org.onosproject.net.DefaultAnnotations;
import org.onosproject.net.Device;
import org.onosproject.net.DeviceId;
import org.onosproject.net.MastershipRole;
import org.onosproject.net.Port;
import org.onosproject.net.PortNumber;
import org.onosproject.net.device.DefaultDeviceDescription;
import org.onosproject.net.device.DefaultPortDescription;
import org.onosproject.net.device.DeviceProvider;
import org.onosproject.net.device.DeviceProviderRegistry;
import org.onosproject.net.device.DeviceProviderService;
import org.onosproject.net.device.PortDescription;
import org.onosproject.net.provider.AbstractProvider;
import org.onosproject.net.provider.ProviderId;
import org.onosproject.openflow.controller.Dpid;
import org.onosproject.openflow.controller.OpenFlowController;
import org.onosproject.openflow.controller.OpenFlowSwitch;
import org.onosproject.openflow.controller.OpenFlowSwitchListener;
import org.onosproject.openflow.controller.RoleState;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;
import org.projectfloodlight.openflow.protocol.OFPortConfig;
import org.projectfloodlight.openflow.protocol.OFPortDesc;
import org.projectfloodlight.openflow.protocol.OFPortReason;
import org.projectfloodlight.openflow.protocol.OFPortState;
import org.projectfloodlight.openflow.protocol.OFPortStatus;

/** Tells ONOS of the switches that its OpenFlow controller has, their ports and roles. */
@Component(immediate = true)
public final class DeviceAdapter extends AbstractProvider implements DeviceProvider, OpenFlowSwitchListener {
    private static final long MEGABITS_PER_KILOBIT = 1_000;

    private final DeviceProviderRegistry registry;
    private final OpenFlowController controller;
    private final DeviceProviderService devices;

    /** Called by the service runtime. */
    @Activate
    public DeviceAdapter(@Reference DeviceProviderRegistry registry, @Reference OpenFlowController controller) {
        super(new ProviderId("of", "org.dwsr.onos.runtime"));
        this.registry = registry;
        this.controller = controller;
        devices = registry.register(this);
        controller.addListener(this);
        for (OpenFlowSwitch known : controller.getSwitches()) {
            switchAdded(new Dpid(known.getId()));
        }
    }

    @Deactivate
    void deactivate() {
        controller.removeListener(this);
        registry.unregister(this);
    }

    // ---- from the switches

    @Override
    public void switchAdded(Dpid id) {
        OpenFlowSwitch known = controller.getSwitch(id);
        if (known == null) {
            return;
        }
        DeviceId device = deviceId(uri(id));
        devices.deviceConnected(
                device,
                new DefaultDeviceDescription(
                        device.uri(),
                        Device.Type.SWITCH,
                        known.manufacturerDescription(),
                        known.hardwareDescription(),
                        known.softwareDescription(),
                        known.serialNumber(),
                        new ChassisId(id.value()),
                        DefaultAnnotations.builder()
                                .set("protocol", known.factory().getVersion().toString())
                                .set("channelId", known.channelId())
                                .build()));
        devices.updatePorts(device, ports(known));
    }

    @Override
    public void switchRemoved(Dpid id) {
        devices.deviceDisconnected(deviceId(uri(id)));
    }

    @Override
    public void switchChanged(Dpid id) {
        OpenFlowSwitch known = controller.getSwitch(id);
        if (known != null) {
            devices.updatePorts(deviceId(uri(id)), ports(known));
        }
    }

    @Override
    public void portChanged(Dpid id, OFPortStatus status) {
        PortDescription port = description(status.getDesc(), status.getReason() == OFPortReason.DELETE);
        devices.portStatusChanged(deviceId(uri(id)), port);
    }

    @Override
    public void receivedRoleReply(Dpid id, RoleState requested, @Nullable RoleState response) {
        if (response == null) {
            return;
        }
        devices.receivedRoleReply(deviceId(uri(id)), mastership(requested), mastership(response));
    }

    private static List<PortDescription> ports(OpenFlowSwitch known) {
        List<PortDescription> found = new ArrayList<>();
        for (OFPortDesc port : known.getPorts()) {
            found.add(description(port, false));
        }
        return found;
    }

    private static PortDescription description(OFPortDesc port, boolean removed) {
        boolean up = !port.getState().contains(OFPortState.LINK_DOWN)
                && !port.getConfig().contains(OFPortConfig.PORT_DOWN);
        return DefaultPortDescription.builder()
                .withPortNumber(PortNumber.portNumber(
                        Integer.toUnsignedLong(port.getPortNo().getPortNumber())))
                .isEnabled(up && !removed)
                .isRemoved(removed)
                .type(Port.Type.COPPER)
                .portSpeed(port.getCurrSpeed() / MEGABITS_PER_KILOBIT)
                .annotations(DefaultAnnotations.builder()
                        .set("portName", port.getName())
                        .set("portMac", port.getHwAddr().toString())
                        .build())
                .build();
    }

    // ---- from ONOS

    @Override
    public void triggerProbe(DeviceId device) {
        // ONOS's controller probes by itself (echo requests).
    }

    @Override
    public void roleChanged(DeviceId device, MastershipRole role) {
        controller.setRole(dpid(device.uri()), state(role));
    }

    @Override
    public boolean isReachable(DeviceId device) {
        OpenFlowSwitch known = controller.getSwitch(dpid(device.uri()));
        return known != null && known.isConnected();
    }

    @Override
    public void changePortState(DeviceId device, PortNumber port, boolean enable) {
        throw new UnsupportedOperationException("no test changes ports through ONOS");
    }

    private static RoleState state(MastershipRole role) {
        switch (role) {
            case MASTER:
                return RoleState.MASTER;
            case STANDBY:
                return RoleState.EQUAL;
            default:
                return RoleState.SLAVE;
        }
    }

    private static MastershipRole mastership(RoleState state) {
        switch (state) {
            case MASTER:
                return MastershipRole.MASTER;
            case EQUAL:
                return MastershipRole.STANDBY;
            default:
                return MastershipRole.NONE;
        }
    }
}
