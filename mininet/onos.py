"""An ONOS to try the ONOS application on, put together from Maven Central. Run by ./dwsr onos.

It is not a stock release: ONOS 2.5.6's own bundles (the core of distribution from 2.4.0) on Karaf 4.4.6, without
metering, with DWSR's own small persistence service and OpenFlow providers (karaf-features/runtime). Everything a running
one owns is under /run/dwsr/onos-NAME; only the process that is recorded there is ever ended.
"""

import argparse
import base64
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import lab  # noqa: E402

ASSEMBLY = os.path.join(lab.CHECKOUT, "karaf-features", "assembly", "target", "onos")
FEATURES = os.path.join(lab.CHECKOUT, "karaf-features", "assembly", "src", "main", "karaf", "features.xml")
USER, PASSWORD = "onos", "rocks"
REST_PORT, SSH_PORT, OPENFLOW_PORT = 8181, 8101, 6653
BOOT_SECONDS = 180
# In one stage, without staging, the boot stops without a word.
BOOT = (
    "(instance,package,log,ssh,framework,system,eventadmin,feature,shell,service,jaas,deployer,diagnostic,wrap,bundle,config,kar),"
    "(scr,war,onos-test-api),"
    "(onos-test-core,onos-test-openflow,dwsr-onos-test-runtime,onos-test-cli,onos-test-rest)"
)
OPENED = (
    "java.util.concurrent java.util.concurrent.atomic java.util.concurrent.locks java.nio sun.nio.ch java.time "
    "java.lang.reflect java.lang.invoke java.io java.math java.text java.util.regex java.net jdk.internal.misc"
).split()
JETTY = """<?xml version="1.0"?>
<!DOCTYPE Configure PUBLIC "-//Jetty//Configure//EN" "http://www.eclipse.org/jetty/configure_9_3.dtd">
<!-- ONOS's REST asks for a login service of this name. -->
<Configure id="Server" class="org.eclipse.jetty.server.Server">
  <Call name="addBean">
    <Arg>
      <New class="org.eclipse.jetty.jaas.JAASLoginService">
        <Set name="name">karaf</Set>
        <Set name="loginModuleName">karaf</Set>
        <Set name="roleClassNames">
          <Array type="java.lang.String"><Item>org.apache.karaf.jaas.boot.principal.RolePrincipal</Item></Array>
        </Set>
      </New>
    </Arg>
  </Call>
</Configure>
"""


class Onos:
    """One ONOS node as recorded under /run/dwsr/onos-NAME, where no lab can be: their prefixes have no hyphen."""

    def __init__(self, name="1"):
        if not (name.isalnum() and name.isascii() and len(name) <= 16):
            raise lab.LabError(f'--name "{name}": letters and digits, at most 16')
        self.name = name
        self.home = os.path.join(lab.RUN, f"onos-{name}")
        try:
            with open(self.path("onos.json"), encoding="utf-8") as source:
                self.record = json.load(source)
        except (OSError, ValueError):
            self.record = {}

    def path(self, *names):
        return os.path.join(self.home, *names)

    @property
    def log(self):
        return self.path("karaf", "data", "log", "karaf.log")

    def runs(self):
        return bool(self.record) and lab.alive(self.record)

    def port(self, base):
        return base + self.record["shift"]

    def rest(self, path, method="GET", body=None, seconds=10):
        """Asks /onos/v1/PATH; returns (status, body). Refused or not there: (0, reason)."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port(REST_PORT)}/onos/v1/{path}", method=method)
        request.add_header("Authorization", "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode())
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, data=data, timeout=seconds) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode(errors="replace")
        except OSError as problem:
            return 0, str(problem)

    def serves(self):
        """Whether REST answers and the device service stands behind it."""
        return self.rest("devices", seconds=3)[0] == 200

    def ssh(self, *words):
        """The command line that talks to ONOS's shell."""
        return [
            "ssh", "-q", "-p", str(self.port(SSH_PORT)), "-i", self.path("key"),
            "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
            *(["-o", "BatchMode=yes"] if words else []), f"{USER}@127.0.0.1", *words,
        ]  # fmt: skip


def free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def write(path, text):
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)


def lay_out(node, shift):
    """A Karaf base of its own: configuration and data; the program stays in the assembly."""
    shutil.rmtree(node.home, ignore_errors=True)
    etc = node.path("karaf", "etc")
    os.makedirs(node.path("karaf", "data", "tmp"))
    os.makedirs(node.path("karaf", "data", "log"))
    for folder in ("apps", "config"):
        os.makedirs(node.path(folder))
    shutil.copytree(os.path.join(ASSEMBLY, "etc"), etc)
    shutil.copy(FEATURES, os.path.join(etc, "features.xml"))
    os.chmod(node.home, 0o700)
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "", "-C", "dwsr", "-f", node.path("key")],
        check=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    with open(node.path("key.pub"), encoding="ascii") as public:
        key = public.read().split()[1]
    group = "_g_\\:admingroup = group,admin,manager,viewer,systembundles,ssh,webconsole\n"
    write(os.path.join(etc, "users.properties"), f"{USER} = {PASSWORD},_g_:admingroup\n{group}")
    write(os.path.join(etc, "keys.properties"), f"{USER}={key},_g_:admingroup\n{group}")
    write(os.path.join(etc, "jetty.xml"), JETTY)
    write(
        os.path.join(etc, "org.apache.karaf.features.cfg"),
        "featuresRepositories = file:${karaf.etc}/features.xml,"
        "mvn:org.apache.karaf.features/framework/4.4.6/xml/features,"
        "mvn:org.apache.karaf.features/standard/4.4.6/xml/features\n"
        f"featuresBoot = {BOOT}\n"
        "featuresBootAsynchronous = false\nserviceRequirements = disable\n",
    )
    # Nothing is fetched at run time: all is in the assembly.
    write(
        os.path.join(etc, "org.ops4j.pax.url.mvn.cfg"),
        "org.ops4j.pax.url.mvn.useFallbackRepositories = false\n"
        "org.ops4j.pax.url.mvn.defaultRepositories = "
        "${karaf.home.uri}${karaf.default.repository}@id=system.repository@snapshots\n"
        "org.ops4j.pax.url.mvn.repositories =\n",
    )
    write(
        os.path.join(etc, "org.ops4j.pax.web.cfg"),
        f"org.osgi.service.http.port = {REST_PORT + shift}\n"
        "org.ops4j.pax.web.listening.addresses = 127.0.0.1\n"
        "org.ops4j.pax.web.config.file = ${karaf.etc}/jetty.xml\n",
    )
    write(
        os.path.join(etc, "org.apache.karaf.shell.cfg"),
        f"sshPort = {SSH_PORT + shift}\nsshHost = 127.0.0.1\nsshRealm = karaf\nsshRole = ssh\n"
        "hostKey = ${karaf.etc}/host.key\n",
    )
    controller = "org.onosproject.openflow.controller.impl.OpenFlowControllerImpl"
    write(node.path("config", "component-cfg.json"), json.dumps({controller: {"openflowPorts": str(OPENFLOW_PORT + shift)}}))


def start(node, shift, heap_mb):
    opened = " ".join(f"--add-opens java.base/{package}=ALL-UNNAMED" for package in OPENED)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("KARAF_", "ONOS_"))},
        "ONOS_IP": "127.0.0.1",
        "KARAF_BASE": node.path("karaf"),
        "KARAF_DATA": node.path("karaf", "data"),
        "KARAF_ETC": node.path("karaf", "etc"),
        "CHECK_ROOT_INSTANCE_RUNNING": "false",
        "EXTRA_JAVA_OPTS": f"-Xmx{heap_mb}m -XX:+UseSerialGC -Dds.lock.timeout.milliseconds=10000 "
        f"-Dio.netty.tryReflectionSetAccessible=true {opened}",
    }
    with open(node.path("console.log"), "ab") as log:
        child = subprocess.Popen(
            [os.path.join(ASSEMBLY, "bin", "karaf"), "daemon"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=node.path("karaf"), env=environment,
        )  # fmt: skip
    node.record = {"pid": child.pid, "start": lab.start_time(child.pid), "shift": shift}
    write(node.path("onos.json"), json.dumps(node.record))
    return child


def say(text):
    print(f"onos: {text}", file=sys.stderr, flush=True)


def command_up(arguments):
    Onos(arguments.name)  # a wrong name is told before its lock is made
    with lab.locked(f"onos-{arguments.name}"):
        node = Onos(arguments.name)
        if node.runs() and node.serves():
            say(f"is up already: REST at 127.0.0.1:{node.port(REST_PORT)}")
            return 0
        if node.runs():
            lab.end([node.record], 10)
        taken = [port + arguments.ports for port in (REST_PORT, SSH_PORT, OPENFLOW_PORT) if not free(port + arguments.ports)]
        if taken:
            raise lab.LabError(f"port {taken[0]} is taken by something else; choose others with --ports N")
        if not os.path.isdir(os.path.join(ASSEMBLY, "system")):
            raise lab.LabError(f"there is no ONOS in {ASSEMBLY}: run it as ./dwsr onos up, which puts it together")
        started = time.monotonic()
        lay_out(node, arguments.ports)
        child = start(node, arguments.ports, arguments.heap)
        say(f"booting (log: {node.log})")
        try:
            deadline = started + BOOT_SECONDS
            while not node.serves():
                if child.poll() is not None:
                    raise lab.LabError(f"ended with {child.returncode} while booting; see {node.log} and {node.path('console.log')}")
                if time.monotonic() > deadline:
                    raise lab.LabError(f"REST does not answer after {BOOT_SECONDS} s; see {node.log}")
                time.sleep(0.2)
        except BaseException:
            lab.end([node.record], 3)
            raise
        say(f"up after {time.monotonic() - started:.0f} s: REST http://127.0.0.1:{node.port(REST_PORT)}/onos/v1 "
            f"({USER}/{PASSWORD}), OpenFlow 127.0.0.1:{node.port(OPENFLOW_PORT)}, shell: ./dwsr onos cli")  # fmt: skip
    return 0


def needs_running(name):
    node = Onos(name)
    if not node.runs():
        raise lab.LabError("is not up: ./dwsr onos up")
    return node


def command_down(arguments):
    Onos(arguments.name)
    with lab.locked(f"onos-{arguments.name}"):
        node = Onos(arguments.name)
        if not node.record:
            say("is not up")
            return 0
        lab.end([node.record], 15)
        shutil.rmtree(node.home, ignore_errors=True)
    say("down")
    return 0


def command_status(arguments):
    node = Onos(arguments.name)
    if not node.runs():
        found = {"name": node.name, "up": False}
    else:
        devices = node.rest("devices")
        found = {
            "name": node.name,
            "up": True,
            "pid": node.record["pid"],
            "rest": f"127.0.0.1:{node.port(REST_PORT)}",
            "openflow": f"127.0.0.1:{node.port(OPENFLOW_PORT)}",
            "shell": f"127.0.0.1:{node.port(SSH_PORT)}",
            "serves": devices[0] == 200,
            "devices": [
                {"id": device["id"], "available": device["available"], "role": device["role"]}
                for device in (json.loads(devices[1])["devices"] if devices[0] == 200 else [])
            ],
        }
    if arguments.json:
        print(json.dumps(found, indent=1))
    else:
        for name, value in found.items():
            if name != "devices":
                print(f"{name:9} {value}")
        for device in found.get("devices", []):
            print(f"device    {device['id']}  {'available' if device['available'] else 'gone'}  {device['role']}")
    return 0 if found["up"] and found["serves"] else 1


def command_cli(arguments):
    node = needs_running(arguments.name)
    words = node.ssh(*arguments.words)
    os.execvp(words[0], words)


def command_logs(arguments):
    node = Onos(arguments.name)
    if not os.path.exists(node.log):
        raise lab.LabError(f"there is no log {node.log}")
    words = ["tail", "-n", str(arguments.lines), *(["-F"] if arguments.follow else []), node.log]
    os.execvp(words[0], words)


def parser():
    top = argparse.ArgumentParser(
        prog="dwsr onos",
        description="An ONOS put together from Maven Central to try the ONOS application on: not a stock release (docs/onos.md).",
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name, action, text):
        one = commands.add_parser(name, help=text, description=text)
        one.set_defaults(action=action)
        one.add_argument("--name", default="1", help="the node's name (default: 1)")
        return one

    up = command("up", command_up, "put it together if need be, boot it, wait until it serves")
    up.add_argument("--ports", type=int, default=0, metavar="N",
                    help=f"added to REST {REST_PORT}, shell {SSH_PORT} and OpenFlow {OPENFLOW_PORT}")  # fmt: skip
    up.add_argument("--heap", type=int, default=700, metavar="MB", help="the Java heap's maximum (default: 700)")
    status = command("status", command_status, "is it up, and which switches does it have; exit status 0 when it serves")
    status.add_argument("--json", action="store_true", help="for programs")
    cli = command("cli", command_cli, "its shell, or one command of it, e.g. ./dwsr onos cli devices")
    cli.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND", help="a command of the shell")
    logs = command("logs", command_logs, "the end of its log")
    logs.add_argument("-f", "--follow", action="store_true", help="go on as it grows")
    logs.add_argument("-n", "--lines", type=int, default=40, help="how many lines (default: 40)")
    command("down", command_down, "end it and remove its files")
    return top


def interrupt(_number, _frame):
    raise KeyboardInterrupt


def main(words):
    arguments = parser().parse_args(words)
    signal.signal(signal.SIGTERM, interrupt)
    with contextlib.suppress(BrokenPipeError):
        try:
            return arguments.action(arguments)
        except lab.LabError as problem:
            print(f"onos: {problem}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("onos: interrupted", file=sys.stderr)
            return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
