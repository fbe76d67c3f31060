"""The lab's network: a Mininet topology of clients, one Open vSwitch bridge, and servers behind their host filters.

::

    c1 eth0 ---- dw-c1o  bridge dw0  dw-s1o ---- dw-s1n  filter f1  dw-s1h ---- eth0 s1
                         (OpenFlow 1.3, user space)      (root namespace)

A filter is a Mininet host in the root namespace with two interfaces, which it alone connects. A client may have a wire
of the same shape before it (dw-c1n, dw-c1h), which delays frames or lets them suffer.
"""

import contextlib
import hashlib
import os
import re
import subprocess

from mininet.link import Link
from mininet.log import setLogLevel
from mininet.net import Mininet
from mininet.node import Host, OVSSwitch


class LabSwitch(OVSSwitch):
    """An Open vSwitch bridge that says whose it is and remembers long downloads' clients."""

    OWNER = "dwsr-lab"

    def bridgeOpts(self):
        return (
            super().bridgeOpts()
            + f" external-ids:owner={self.OWNER}"
            # A client that only sends ACKs through a flow is not learnt again: do not forget it.
            + " other-config:mac-aging-time=86400"
        )


class Filter(Host):
    """The place of a host filter: the root namespace, no address."""

    def __init__(self, name, **params):
        params.update(inNamespace=False, ip=None)
        super().__init__(name, **params)


def bridge_name(prefix):
    return f"{prefix}0"


def interface_pattern(prefix):
    """What the lab's interfaces in the root namespace are called."""
    return re.compile(rf"{re.escape(prefix)}-[cs]\d+[onh]")


def mac(prefix, kind, number):
    """The MAC of a client (kind 0) or server (kind 1).

    Labs of different prefixes must not share one: when a port goes, Open vSwitch forgets its MACs on all bridges, and
    the other lab's answers would be flooded.
    """
    return f"02:{hashlib.sha256(prefix.encode()).digest()[:3].hex(':')}:{kind:02x}:{number:02x}"


def plan(prefix, clients, servers, wired=False):
    """The hosts by name: kind, address, MAC, OpenFlow port and interface names. wired: clients have a wire."""
    hosts = {}
    for number in range(1, clients + 1):
        name = f"c{number}"
        hosts[name] = {
            "kind": "client",
            "ip": f"10.0.0.{number}",
            "ip6": f"fd00::{number:x}",
            "mac": mac(prefix, 0, number),
            "port": number,
            "ovs": f"{prefix}-{name}o",
        }
        if wired:
            hosts[name].update(network=f"{prefix}-{name}n", host=f"{prefix}-{name}h")
    for number in range(1, servers + 1):
        name = f"s{number}"
        hosts[name] = {
            "kind": "server",
            "ip": f"10.0.0.{10 + number}",
            "ip6": f"fd00::{10 + number:x}",
            "mac": mac(prefix, 1, number),
            "port": clients + number,
            "ovs": f"{prefix}-{name}o",
            "network": f"{prefix}-{name}n",
            "host": f"{prefix}-{name}h",
        }
    return hosts


def _run(*words):
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def build(prefix, hosts):
    """Makes namespaces, links and the bridge (without its ports yet). Returns the Mininet object."""
    setLogLevel("warning")
    # Mininet would raise a dozen limits of the whole machine; this lab needs none of them.
    Mininet.inited = True
    OVSSwitch.setup()
    net = Mininet(build=False, controller=None, link=Link)
    switch = net.addSwitch(
        bridge_name(prefix),
        cls=LabSwitch,
        dpid=f"{1:016x}",
        datapath="user",
        protocols="OpenFlow13",
        failMode="secure",
    )
    for name, host in hosts.items():
        node = net.addHost(name, ip=host["ip"] + "/24", mac=host["mac"])
        if "network" not in host:
            net.addLink(switch, node, port1=host["port"], intfName1=host["ovs"], intfName2="eth0")
        else:
            filter_node = net.addHost(("f" if host["kind"] == "server" else "w") + name[1:], cls=Filter)
            net.addLink(switch, filter_node, port1=host["port"], intfName1=host["ovs"], intfName2=host["network"])
            net.addLink(filter_node, node, intfName1=host["host"], intfName2="eth0")
        host["pid"] = node.pid
    net.build()
    return net


def enter(host):
    """The command prefix that runs a command inside a host."""
    return ["mnexec", "-a", str(host["pid"])]


_ALLOWED = "/proc/sys/net/ipv4/tcp_allowed_congestion_control"


@contextlib.contextmanager
def allowed(name):
    """A namespace may only choose a congestion control that everybody may: allow it for as long as it takes."""
    with open(_ALLOWED, encoding="ascii") as setting:
        before = setting.read().split()
    if name in before:
        yield
        return
    try:
        with open(_ALLOWED, "w", encoding="ascii") as setting:
            setting.write(" ".join([*before, name]))
        yield
    finally:
        with open(_ALLOWED, "w", encoding="ascii") as setting:
            setting.write(" ".join(before))


def congestion_control(hosts, name):
    """Sets the congestion control of hosts' new sockets, e.g. cubic or bbr."""
    with allowed(name):
        for host in hosts:
            _run(*enter(host), "sysctl", "-q", "-w", f"net.ipv4.tcp_congestion_control={name}")


def configure(hosts, vip, vip6, rate_mbit):
    """Sets offloads, addresses and kernel settings.

    Ports of a user-space bridge need packets with complete checksums and of wire size. The congestion control is
    cubic on every machine, for comparable runs. Without vip6 there is no IPv6.
    """
    congestion_control(hosts.values(), "cubic")
    for host in hosts.values():
        inside = enter(host)
        on_bridge = [host["ovs"]]
        if host["kind"] == "client":
            _run(*inside, "ethtool", "-K", "eth0", "tx", "off", "tso", "off", "gso", "off", "gro", "off")
        if "network" in host:
            on_bridge.append(host["network"])
        for interface in on_bridge:
            _run("ethtool", "-K", interface, "tx", "off", "tso", "off", "gso", "off", "gro", "off")
        for interface in on_bridge + ([host["host"]] if "host" in host else []):
            # The root namespace only lends these interfaces: it must neither speak nor answer there.
            settings = [f"net.ipv6.conf.{interface}.disable_ipv6=1", f"net.ipv4.conf.{interface}.arp_ignore=8"]
            _run("sysctl", "-q", "-w", *[setting.replace(".", "/") for setting in settings])
            _run("ip", "link", "set", interface, "up")
        settings = [
            "net.ipv4.conf.all.rp_filter=0",
            "net.ipv4.conf.eth0.rp_filter=0",
        ]
        if host["kind"] == "server":
            settings += [
                "net.ipv4.conf.all.arp_ignore=1",
                "net.ipv4.conf.all.arp_announce=2",
                "net.core.somaxconn=4096",
                "net.ipv4.tcp_max_syn_backlog=4096",
            ]
            _run(*inside, "ip", "addr", "add", f"{vip}/32", "dev", "lo")
            if rate_mbit:
                _run(
                    *inside, "tc", "qdisc", "replace", "dev", "eth0", "root",
                    "tbf", "rate", f"{rate_mbit}mbit", "burst", "64kb", "latency", "100ms",
                )  # fmt: skip
        _run(*inside, "sysctl", "-q", "-w", *settings)
        _configure_ipv6(inside, host, vip6)


def _configure_ipv6(inside, host, vip6):
    """Addresses that are there at once (no duplicate address detection) and that nobody else hands out.

    A server's eth0 needs its link-local address: whoever owns the VIP on lo alone asks for neighbours with that one,
    and answers no solicitation for the VIP.
    """
    if not os.path.exists("/proc/net/if_inet6"):
        return
    _run(*inside, "sysctl", "-q", "-w", "net.ipv6.conf.all.disable_ipv6=1")
    if vip6 is None:
        return
    quiet = ("accept_ra=0", "autoconf=0", "accept_dad=0", "dad_transmits=0", "router_solicitations=0")
    _run(*inside, "sysctl", "-q", "-w", *[f"net.ipv6.conf.eth0.{setting}" for setting in quiet])
    _run(*inside, "sysctl", "-q", "-w", "net.ipv6.conf.all.disable_ipv6=0")
    _run(*inside, "ip", "addr", "add", f"{host['ip6']}/64", "dev", "eth0", "nodad")
    if host["kind"] == "server":
        _run(*inside, "ip", "addr", "add", f"{vip6}/128", "dev", "lo", "nodad")


def start_switch(net, prefix):
    """Creates the bridge with all its ports; the caller has raised the receive buffer."""
    switch = net[bridge_name(prefix)]
    switch.start([])
    return switch
