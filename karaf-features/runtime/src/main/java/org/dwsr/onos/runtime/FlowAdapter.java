package org.dwsr.onos.runtime;

import static org.onosproject.net.DeviceId.deviceId;
import static org.onosproject.openflow.controller.Dpid.dpid;
import static org.onosproject.openflow.controller.Dpid.uri;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.onosproject.net.DeviceId;
import org.onosproject.net.flow.CompletedBatchOperation;
import org.onosproject.net.flow.DefaultFlowEntry;
import org.onosproject.net.flow.FlowEntry;
import org.onosproject.net.flow.FlowRule;
import org.onosproject.net.flow.FlowRuleProvider;
import org.onosproject.net.flow.FlowRuleProviderRegistry;
import org.onosproject.net.flow.FlowRuleProviderService;
import org.onosproject.net.flow.FlowRuleService;
import org.onosproject.net.flow.oldbatch.FlowRuleBatchEntry;
import org.onosproject.net.flow.oldbatch.FlowRuleBatchOperation;
import org.onosproject.net.provider.AbstractProvider;
import org.onosproject.net.provider.ProviderId;
import org.onosproject.openflow.controller.Dpid;
import org.onosproject.openflow.controller.OpenFlowController;
import org.onosproject.openflow.controller.OpenFlowEventListener;
import org.onosproject.openflow.controller.OpenFlowSwitch;
import org.onosproject.openflow.controller.RoleState;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;
import org.projectfloodlight.openflow.protocol.OFBarrierReply;
import org.projectfloodlight.openflow.protocol.OFErrorMsg;
import org.projectfloodlight.openflow.protocol.OFFactory;
import org.projectfloodlight.openflow.protocol.OFFlowMod;
import org.projectfloodlight.openflow.protocol.OFFlowRemoved;
import org.projectfloodlight.openflow.protocol.OFFlowStatsEntry;
import org.projectfloodlight.openflow.protocol.OFFlowStatsReply;
import org.projectfloodlight.openflow.protocol.OFMessage;
import org.projectfloodlight.openflow.protocol.OFStatsReplyFlags;
import org.projectfloodlight.openflow.types.OFGroup;
import org.projectfloodlight.openflow.types.OFPort;
import org.projectfloodlight.openflow.types.TableId;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Puts ONOS's flow rules into the switches, and tells it every five seconds what is there. A flow is recognised by its
 * cookie, which is its rule's id. Flows that ONOS does not know are deleted, as a stock ONOS does.
 */
@Component(immediate = true)
@SuppressWarnings("deprecation") // the provider's interface itself takes the old batches
public final class FlowAdapter extends AbstractProvider implements FlowRuleProvider, OpenFlowEventListener {
    private static final Logger LOG = LoggerFactory.getLogger(FlowAdapter.class);
    private static final long POLL_SECONDS = 5;

    private final FlowRuleProviderRegistry registry;
    private final FlowRuleService rules;
    private final OpenFlowController controller;
    private final FlowRuleProviderService flows;
    private final AtomicLong xids = new AtomicLong(0x4457_0000L);
    private final Map<Long, Batch> batches = new ConcurrentHashMap<>();
    private final Map<Dpid, List<OFFlowStatsEntry>> partial = new ConcurrentHashMap<>();
    private final ScheduledFuture<?> polling;
    private final ScheduledExecutorService poller = Executors.newSingleThreadScheduledExecutor(work -> {
        Thread thread = new Thread(work, "dwsr-flow-poll");
        thread.setDaemon(true);
        return thread;
    });

    /** A batch whose barrier has not been answered; the transaction numbers of its messages, with their rules. */
    private static final class Batch {
        final FlowRuleBatchOperation operation;
        final Map<Long, FlowRule> sent = new HashMap<>();
        final Set<FlowRule> failed = Collections.synchronizedSet(new HashSet<>());

        Batch(FlowRuleBatchOperation operation) {
            this.operation = operation;
        }
    }

    /** Called by the service runtime. */
    @Activate
    public FlowAdapter(
            @Reference FlowRuleProviderRegistry registry,
            @Reference FlowRuleService rules,
            @Reference OpenFlowController controller) {
        super(new ProviderId("of", "org.dwsr.onos.runtime"));
        this.registry = registry;
        this.rules = rules;
        this.controller = controller;
        flows = registry.register(this);
        controller.addEventListener(this);
        polling = poller.scheduleWithFixedDelay(this::poll, 1, POLL_SECONDS, TimeUnit.SECONDS);
    }

    @Deactivate
    void deactivate() {
        polling.cancel(true);
        poller.shutdownNow();
        controller.removeEventListener(this);
        registry.unregister(this);
    }

    // ---- from ONOS

    @Override
    public void applyFlowRule(FlowRule... changed) {
        for (FlowRule rule : changed) {
            send(rule, FlowMessages.Change.ADD);
        }
    }

    @Override
    public void removeFlowRule(FlowRule... changed) {
        for (FlowRule rule : changed) {
            send(rule, FlowMessages.Change.DELETE);
        }
    }

    private void send(FlowRule rule, FlowMessages.Change change) {
        OpenFlowSwitch known = controller.getSwitch(dpid(rule.deviceId().uri()));
        if (known != null) {
            known.sendMsg(FlowMessages.flowMod(known.factory(), rule, change));
        }
    }

    @Override
    public void executeBatch(FlowRuleBatchOperation operation) {
        OpenFlowSwitch known = controller.getSwitch(dpid(operation.deviceId().uri()));
        Batch batch = new Batch(operation);
        if (known == null) {
            for (FlowRuleBatchEntry entry : operation.getOperations()) {
                batch.failed.add(entry.target());
            }
            complete(batch);
            return;
        }
        OFFactory factory = known.factory();
        List<OFMessage> messages = new ArrayList<>();
        for (FlowRuleBatchEntry entry : operation.getOperations()) {
            long xid = xids.incrementAndGet();
            try {
                OFFlowMod message = FlowMessages.flowMod(factory, entry.target(), change(entry));
                messages.add(message.createBuilder().setXid(xid).build());
                batch.sent.put(xid, entry.target());
            } catch (IllegalArgumentException unsupported) {
                LOG.warn("a rule that this runtime cannot write: {}: {}", unsupported.getMessage(), entry.target());
                batch.failed.add(entry.target());
            }
        }
        long barrier = xids.incrementAndGet();
        batches.put(barrier, batch);
        messages.add(factory.buildBarrierRequest().setXid(barrier).build());
        known.sendMsg(messages);
    }

    private static FlowMessages.Change change(FlowRuleBatchEntry entry) {
        switch (entry.operator()) {
            case ADD:
                return FlowMessages.Change.ADD;
            case MODIFY:
                return FlowMessages.Change.MODIFY;
            default:
                return FlowMessages.Change.DELETE;
        }
    }

    private void complete(Batch batch) {
        flows.batchOperationCompleted(
                batch.operation.id(),
                new CompletedBatchOperation(
                        batch.failed.isEmpty(), new HashSet<>(batch.failed), batch.operation.deviceId()));
    }

    // ---- from the switches

    @Override
    public void handleMessage(Dpid id, OFMessage message) {
        switch (message.getType()) {
            case BARRIER_REPLY:
                Batch done = batches.remove(((OFBarrierReply) message).getXid());
                if (done != null) {
                    complete(done);
                }
                break;
            case ERROR:
                onError((OFErrorMsg) message);
                break;
            case FLOW_REMOVED:
                onFlowRemoved(id, (OFFlowRemoved) message);
                break;
            case STATS_REPLY:
                if (message instanceof OFFlowStatsReply) {
                    onFlowStats(id, (OFFlowStatsReply) message);
                }
                break;
            default:
                break;
        }
    }

    private void onError(OFErrorMsg error) {
        for (Batch batch : batches.values()) {
            FlowRule rule = batch.sent.get(error.getXid());
            if (rule != null) {
                LOG.warn("a switch refuses {}: {}", rule, error);
                batch.failed.add(rule);
            }
        }
    }

    private void onFlowRemoved(Dpid id, OFFlowRemoved removed) {
        DeviceId device = deviceId(uri(id));
        for (FlowEntry entry : rules.getFlowEntries(device)) {
            if (entry.id().value() == removed.getCookie().getValue()) {
                flows.flowRemoved(new DefaultFlowEntry(
                        entry,
                        FlowEntry.FlowEntryState.REMOVED,
                        removed.getDurationSec(),
                        removed.getPacketCount().getValue(),
                        removed.getByteCount().getValue()));
            }
        }
    }

    private void poll() {
        try {
            for (OpenFlowSwitch known : controller.getSwitches()) {
                if (known.getRole() == RoleState.MASTER) {
                    OFFactory factory = known.factory();
                    known.sendMsg(factory.buildFlowStatsRequest()
                            .setMatch(factory.matchWildcardAll())
                            .setTableId(TableId.ALL)
                            .setOutPort(OFPort.ANY)
                            .setOutGroup(OFGroup.ANY)
                            .setXid(xids.incrementAndGet())
                            .build());
                }
            }
        } catch (RuntimeException bug) {
            LOG.error("asking the switches for their flows failed", bug);
        }
    }

    private void onFlowStats(Dpid id, OFFlowStatsReply reply) {
        List<OFFlowStatsEntry> entries = partial.computeIfAbsent(id, any -> new ArrayList<>());
        entries.addAll(reply.getEntries());
        if (reply.getFlags().contains(OFStatsReplyFlags.REPLY_MORE)) {
            return;
        }
        partial.remove(id);
        DeviceId device = deviceId(uri(id));
        Map<Long, FlowEntry> known = new HashMap<>();
        for (FlowEntry entry : rules.getFlowEntries(device)) {
            known.put(entry.id().value(), entry);
        }
        OpenFlowSwitch from = controller.getSwitch(id);
        List<FlowEntry> found = new ArrayList<>();
        for (OFFlowStatsEntry entry : entries) {
            FlowEntry rule = known.get(entry.getCookie().getValue());
            if (rule != null) {
                found.add(new DefaultFlowEntry(
                        rule,
                        FlowEntry.FlowEntryState.ADDED,
                        entry.getDurationSec(),
                        TimeUnit.SECONDS,
                        entry.getPacketCount().getValue(),
                        entry.getByteCount().getValue()));
            } else if (from != null) {
                deleteForeign(from, entry);
            }
        }
        flows.pushFlowMetrics(device, found);
    }

    private static void deleteForeign(OpenFlowSwitch from, OFFlowStatsEntry entry) {
        from.sendMsg(from.factory()
                .buildFlowDeleteStrict()
                .setMatch(entry.getMatch())
                .setPriority(entry.getPriority())
                .setTableId(entry.getTableId())
                .setCookie(entry.getCookie())
                .setCookieMask(org.projectfloodlight.openflow.types.U64.NO_MASK)
                .setOutPort(OFPort.ANY)
                .setOutGroup(OFGroup.ANY)
                .build());
    }
}
