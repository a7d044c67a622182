"""Servers for the suites: one alone, or a group of a master, two replicas and three Sentinels.

All of them run one program, on the loopback interface, each in a folder of its own; with
certificates they speak TLS and nothing else. They are asked over raw sockets, so that what they
say does not depend on any client library.
"""

import dataclasses
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from pathlib import Path

MASTER_NAME = "mymaster"
HOST = "127.0.0.1"
# A group is shown to be in order, or to have failed over, in far less; a busy machine is slow.
WAIT_SECONDS_MAX = 60

lock = threading.Lock()
taken_ports = set()
running = set()


@dataclasses.dataclass(frozen=True)
class Site:
    """What all servers have in common: their program, their certificates, and a place for files."""

    program: str
    folder: str
    certificates: "Certificates | None" = None


def free_port():
    """A port below the kernel's ephemeral range, so that no outgoing connection takes it."""
    while True:
        port = random.randrange(20_000, 32_000)
        with lock, socket.socket() as probe:
            if port not in taken_ports and probe.connect_ex((HOST, port)) != 0:
                taken_ports.add(port)
                return port


def wait_until(what, condition, seconds=WAIT_SECONDS_MAX):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"never: {what}")
        time.sleep(0.05)


def spawn(command, **options):
    """Starts a process in a group of its own, which `stop_group` or `stop_all` will end."""
    with lock:
        process = subprocess.Popen(command, start_new_session=True, **options)
        running.add(process)
    return process


def stop_group(process):
    """Ends a process and all that it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
    running.discard(process)


def stop_all():
    """Ends whatever still runs, and lets nothing start any more."""
    lock.acquire()
    for process in list(running):
        stop_group(process)


class Certificates:
    """An authority, and what it signed for servers and for clients; made with `openssl`."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.ca, self.ca_key = self.make("ca", ["-x509"], "basicConstraints=critical,CA:TRUE")
        signed = ["-x509", "-CA", self.ca, "-CAkey", self.ca_key]
        names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
        self.server, self.server_key = self.make("server", signed, names)
        self.client, self.client_key = self.make("client", signed, "basicConstraints=CA:FALSE")

    def make(self, name, how, extension):
        certificate, key = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        subprocess.run(
            ["openssl", "req", *how, "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-days", "2", "-subj", f"/O=clients/CN={name}", "-addext", extension,
             "-keyout", key, "-out", certificate],
            check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL,
        )
        return str(certificate), str(key)

    def facts(self):
        """What a client is told of them."""
        return {"ca": self.ca, "cert": self.client, "key": self.client_key}

    def context(self):
        return ssl.create_default_context(cafile=self.ca)


def read_reply(lines):
    """One reply of RESP2; an error is returned as its text."""
    line = lines.readline()
    if not line.endswith(b"\r\n"):
        raise ConnectionError("the connection was closed")
    kind, rest = line[:1], line[1:-2]
    if kind == b"*":
        return [read_reply(lines) for _ in range(int(rest))]
    if kind == b"$" and int(rest) >= 0:
        return lines.read(int(rest) + 2)[:-2].decode(errors="replace")
    return int(rest) if kind == b":" else rest.decode(errors="replace")


class Node:
    """One server or Sentinel: its port, its file of settings and its process."""

    def __init__(self, site, settings, sentinel=False):
        self.program = site.program
        self.certificates = certificates = site.certificates
        self.sentinel = sentinel
        self.folder = tempfile.mkdtemp(dir=site.folder)
        self.port = free_port()
        self.process = None
        lines = [f"bind {HOST}", f"dir {self.folder}", 'logfile ""', *settings]
        if not sentinel:
            lines += ['save ""', "repl-diskless-sync-delay 0"]
        if certificates:
            lines += [
                "port 0", f"tls-port {self.port}", "tls-replication yes", "tls-auth-clients optional",
                f"tls-cert-file {certificates.server}", f"tls-key-file {certificates.server_key}",
                f"tls-ca-cert-file {certificates.ca}",
            ]
        else:
            lines.append(f"port {self.port}")
        Path(self.folder, "node.conf").write_text("\n".join(lines) + "\n")

    def start(self, *options):
        command = [self.program, str(Path(self.folder, "node.conf")), *options]
        command += ["--sentinel"] if self.sentinel else []
        with open(Path(self.folder, "log"), "ab") as log:
            self.process = spawn(
                command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        end = time.monotonic() + 20
        while self.ask("PING") != "PONG":
            if self.process.poll() is not None or time.monotonic() > end:
                stop_group(self.process)
                raise RuntimeError(f"the server does not start:\n{self.log()}")
            time.sleep(0.02)

    def ask(self, words, seconds=2):
        """The reply to one inline command, or None where there is none."""
        try:
            with socket.create_connection((HOST, self.port), seconds) as plain:
                if not self.certificates:
                    return self.ask_over(plain, words)
                with self.certificates.context().wrap_socket(plain, server_hostname=HOST) as secret:
                    return self.ask_over(secret, words)
        except OSError:
            return None

    def ask_over(self, connection, words):
        connection.sendall(words.encode() + b"\r\n")
        with connection.makefile("rb") as lines:
            return read_reply(lines)

    def info(self, section):
        text = self.ask(f"INFO {section}") or ""
        return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def log(self, lines_max=30):
        """The end of what it wrote, if it was ever started."""
        log = Path(self.folder, "log")
        lines = log.read_text(errors="replace").splitlines(True) if log.exists() else []
        return "".join(lines[-lines_max:])

    def remove(self):
        if self.process:
            stop_group(self.process)
        shutil.rmtree(self.folder, ignore_errors=True)


class Alone:
    """One server, which can be killed and started again."""

    def __init__(self, site, settings):
        self.node = Node(site, settings)
        self.nodes = [self.node]
        self.folder = self.node.folder

    def start(self):
        self.node.start()

    def facts(self):
        return {"port": self.node.port, "sentinels": [], "servers": [[HOST, self.node.port]]}

    def obey(self, word):
        if word != "kill":
            raise RuntimeError(f"one server alone cannot {word}")
        stop_group(self.node.process)
        self.node.start()

    def is_well(self):
        return self.node.is_running()

    def log(self):
        return self.node.log()

    def remove(self):
        self.node.remove()


class Group:
    """A master and two replicas, watched by three Sentinels.

    `kill` and `stop` take the master away, with SIGKILL and with SIGSTOP, and are done when the
    Sentinels name another that takes writes. `mend` brings back what was taken away, and is done
    when there are two replicas in step again.
    """

    def __init__(self, site, settings):
        self.servers = [Node(site, settings) for _ in range(3)]
        self.master = self.servers[0]
        self.stopped = None
        watch = [
            f"sentinel monitor {MASTER_NAME} {HOST} {self.master.port} 2",
            f"sentinel down-after-milliseconds {MASTER_NAME} 1500",
            f"sentinel failover-timeout {MASTER_NAME} 6000",
        ]
        self.sentinels = [Node(site, watch, sentinel=True) for _ in range(3)]
        self.nodes = [*self.servers, *self.sentinels]
        self.folder = self.master.folder

    def start(self):
        self.master.start()
        for replica in self.servers[1:]:
            replica.start("--replicaof", HOST, str(self.master.port))
        wait_until("both replicas are in step", self.is_in_step)
        for sentinel in self.sentinels:
            sentinel.start()
        wait_until("each Sentinel knows all others", self.is_watched)

    def facts(self):
        return {
            "port": self.master.port,
            "sentinels": [[HOST, sentinel.port] for sentinel in self.sentinels],
            "servers": [[HOST, server.port] for server in self.servers],
        }

    def named_master(self):
        """The server that all Sentinels name, if they agree and it calls itself a master."""
        ports = {self.about_master(sentinel).get("port") for sentinel in self.sentinels}
        named = [server for server in self.servers if {str(server.port)} == ports]
        return named[0] if named and named[0].info("replication").get("role") == "master" else None

    def is_in_step(self):
        told = self.master.info("replication")
        return all("state=online" in told.get(f"slave{n}", "") for n in range(2))

    def is_watched(self):
        for sentinel in self.sentinels:
            told = self.about_master(sentinel)
            if (told.get("num-slaves"), told.get("num-other-sentinels")) != ("2", "2"):
                return False
        return True

    def about_master(self, sentinel):
        told = sentinel.ask(f"SENTINEL MASTER {MASTER_NAME}")
        return dict(zip(told[::2], told[1::2])) if isinstance(told, list) else {}

    def obey(self, word):
        {"kill": self.kill, "stop": self.stop, "mend": self.mend}[word]()

    def kill(self):
        stop_group(self.master.process)
        self.await_failover()

    def stop(self):
        self.stopped = self.master
        os.killpg(self.master.process.pid, signal.SIGSTOP)
        self.await_failover()

    def await_failover(self):
        old = self.master

        def is_over():
            self.master = self.named_master() or old
            return self.master is not old

        wait_until("the Sentinels promote a replica", is_over)

    def mend(self):
        """As the supervisor of a machine that came back would, which asks who is master now."""
        for server in self.servers:
            if not server.is_running():
                server.start("--replicaof", HOST, str(self.master.port))
        if self.stopped:
            os.killpg(self.stopped.process.pid, signal.SIGCONT)
            self.stopped = None

        def is_mended():
            # On a busy machine the Sentinels may have changed their minds meanwhile.
            self.master = self.named_master() or self.master
            return self.is_in_step()

        wait_until("both replicas are in step", is_mended)

    def is_well(self):
        """Whether everything runs but what was killed on purpose."""
        return all(node.is_running() for node in [self.master, *self.sentinels])

    def log(self):
        return "".join(f"{node.port}:\n{node.log(12)}" for node in self.nodes)

    def remove(self):
        for node in self.nodes:
            node.remove()


def version(site):
    """What a server calls its version, as numbers."""
    node = Node(site, [])
    try:
        node.start()
        return [int(part) for part in node.info("server")["redis_version"].split(".")]
    finally:
        node.remove()


def refusal_of_tls(site):
    """What a server says when it does not start with certificates; None when it does."""
    node = Node(site, [])
    try:
        node.start()
        return None
    except RuntimeError as error:
        lines = str(error).strip().splitlines()
        about = [line for line in lines if "TLS" in line]
        return (about or lines)[-1].strip()
    finally:
        node.remove()
