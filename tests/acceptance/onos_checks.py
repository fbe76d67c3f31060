"""The assembled ONOS (./dwsr onos): it boots, knows an Open vSwitch, writes and owns its flows, and goes without a trace."""

import contextlib
import json
import os
import re
import subprocess
import time

import harness
import onos
from harness import expect, expect_equal, until

NAME = "onostest"
FIRST_PORT_SHIFT = 400
FOREIGN = "priority=7,ip,nw_dst=192.0.2.9,actions=drop"


class OnosUnderTest:
    """One ONOS of a name and ports of its own, and a bridge without hosts."""

    def __init__(self, prefix, shift):
        self.name = f"{prefix}{NAME}"
        self.bridge = f"{prefix}on0"
        self.shift = FIRST_PORT_SHIFT + 10 * shift
        self.node = None
        self.rule = None

    def dwsr(self, *words, check=True):
        """Runs ./dwsr onos; returns the completed process."""
        done = subprocess.run(
            [os.path.join(harness.CHECKOUT, "dwsr"), "onos", words[0], "--name", self.name, *words[1:]],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
        expect(not check or done.returncode == 0, lambda: f"dwsr onos {words[0]}: {done.returncode}: {done.stderr[-500:]}")
        return done

    def flows(self):
        text = harness.dwsr_lab.output("ovs-ofctl", "-O", "OpenFlow13", "dump-flows", self.bridge)
        return [line.strip() for line in text.splitlines() if "cookie=" in line]

    def clear(self):
        subprocess.run(["ovs-vsctl", "--timeout=10", "--if-exists", "del-br", self.bridge], check=False)
        with contextlib.suppress(harness.Failure):
            self.dwsr("down")


def boots(test):
    said = test.dwsr("up", "--ports", str(test.shift)).stderr
    test.node = onos.Onos(test.name)
    expect(test.node.serves(), "REST answers after up")
    expect("up after" in said, f"up said: {said}")
    started = time.monotonic()
    expect("is up already" in test.dwsr("up", "--ports", str(test.shift)).stderr, "a second up says so")
    expect(time.monotonic() - started < 5, "a second up does nothing")


def refuses_strangers(test):
    wrong = onos.Onos(test.name)
    kept = onos.PASSWORD
    try:
        onos.PASSWORD = "wrong"
        expect_equal(wrong.rest("devices")[0], 401, "status with a wrong password")
    finally:
        onos.PASSWORD = kept


def knows_its_switch(test):
    port = test.node.port(onos.OPENFLOW_PORT)
    harness.dwsr_lab.output(
        "ovs-vsctl", "--timeout=10", "add-br", test.bridge, "--", "set", "bridge", test.bridge, "datapath_type=netdev",
        "protocols=OpenFlow13", "fail_mode=secure", "--", "set-controller", test.bridge, f"tcp:127.0.0.1:{port}",
    )  # fmt: skip
    until(lambda: device(test), 20, lambda: f"an available switch; ONOS has {test.node.rest('devices')}")
    status = json.loads(test.dwsr("status", "--json").stdout)
    expect_equal([one["role"] for one in status["devices"]], ["MASTER"], "the role in dwsr onos status")
    shown = test.dwsr("cli", "devices").stdout
    expect(f"id={device(test)}" in shown, f"the shell's devices: {shown[:300]}")


def device(test):
    status, body = test.node.rest("devices")
    found = json.loads(body)["devices"] if status == 200 else []
    return next((one["id"] for one in found if one["available"] and one["role"] == "MASTER"), None)


def writes_flows(test):
    rule = {
        "priority": 40_000, "isPermanent": True, "deviceId": device(test),
        "treatment": {"instructions": [
            {"type": "L2MODIFICATION", "subtype": "ETH_DST", "mac": "02:00:00:00:00:07"}, {"type": "OUTPUT", "port": "CONTROLLER"},
        ]},
        "selector": {"criteria": [
            {"type": "ETH_TYPE", "ethType": "0x0800"}, {"type": "IP_PROTO", "protocol": 6},
            {"type": "IPV4_SRC", "ip": "192.0.2.1/32"}, {"type": "IPV4_DST", "ip": "10.0.0.100/32"},
            {"type": "TCP_SRC", "tcpPort": 4_711}, {"type": "TCP_DST", "tcpPort": 80},
        ]},
    }  # fmt: skip
    status, body = test.node.rest(f"flows/{device(test)}?appId=org.dwsr.test", "POST", rule)
    expect_equal(status, 201, f"status of POST flows ({body[:200]})")

    def added():
        status, body = test.node.rest(f"flows/{device(test)}")
        # Without any flow it is 404.
        entries = json.loads(body)["flows"] if status == 200 else []
        return [one for one in entries if one["state"] == "ADDED" and one["priority"] == 40_000]

    until(added, 20, lambda: f"the rule in state ADDED: {test.node.rest('flows')}")
    match = "priority=40000,tcp,nw_src=192.0.2.1,nw_dst=10.0.0.100,tp_src=4711,tp_dst=80"
    actions = "actions=set_field:02:00:00:00:00:07->eth_dst,CONTROLLER:65535"
    expect(any(match in flow and actions in flow for flow in test.flows()), f"flows in Open vSwitch: {test.flows()}")
    test.rule = added()[0]["id"]


def owns_its_flows(test):
    harness.dwsr_lab.output("ovs-ofctl", "-O", "OpenFlow13", "add-flow", test.bridge, FOREIGN)
    until(lambda: not any("192.0.2.9" in flow for flow in test.flows()), 20, lambda: f"a foreign flow stays: {test.flows()}")
    expect_equal(test.node.rest(f"flows/{device(test)}/{test.rule}", "DELETE")[0], 204, "status of DELETE")
    until(lambda: not any("tp_src=4711" in flow for flow in test.flows()), 20, lambda: f"a deleted rule stays: {test.flows()}")


def goes_without_a_trace(test):
    test.dwsr("down")
    expect(not test.node.runs(), "its process ended")
    expect(not os.path.exists(test.node.home), "its files are gone")
    expect_equal(test.dwsr("status", check=False).returncode, 1, "status's exit status")


CHECKS = (
    ("boots, and a second up changes nothing", boots),
    ("refuses a wrong password", refuses_strangers),
    ("knows an Open vSwitch, in REST, status and shell", knows_its_switch),
    ("writes a rule as the flow it says", writes_flows),
    ("deletes flows it does not know and rules that were deleted", owns_its_flows),
    ("goes down without a trace", goes_without_a_trace),
)


def run(results, prefix, shift):
    """All checks in order; after a failed one the others cannot say anything."""
    test = OnosUnderTest(re.sub(r"[^a-z0-9]", "", prefix), shift)
    test.clear()
    try:
        for name, check in CHECKS:
            started = time.monotonic()
            problem = None
            try:
                check(test)
            except harness.Failure as failure:
                problem = str(failure)
            except (OSError, ValueError, KeyError, RuntimeError) as failure:
                problem = f"{type(failure).__name__}: {failure}"
            results.add("onos", f"the assembled ONOS {name}", problem, time.monotonic() - started)
            if problem is not None:
                print(test.dwsr("logs", "-n", "60", check=False).stdout, flush=True)
                return
    finally:
        test.clear()
