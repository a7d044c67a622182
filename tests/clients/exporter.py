"""Prometheus's redis_exporter tells of all servers before, during and after a failover.

It does not ask Sentinels who is master: Prometheus has a list of all servers, which are scraped
one by one through one exporter, and sees from their numbers who is.
"""

import socket
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request

import checks
from checks import check, wait_until

SCHEME = "rediss" if checks.TLS else "redis"
SERVERS = [port for _, port in checks.FACTS["servers"]]
client = checks.master()


class Exporter:
    """The exporter, at a port of its own."""

    def __init__(self, program):
        with socket.create_server((checks.HOST, 0)) as free:
            self.port = free.getsockname()[1]
        command = [program, "--web.listen-address", f"{checks.HOST}:{self.port}", "--redis.addr", ""]
        command += ["--check-keys", "job*", "--export-client-list", "--connection-timeout", "1s"]
        if checks.TLS:
            command += ["--tls-ca-cert-file", checks.TLS["ca"]]
            command += ["--tls-client-cert-file", checks.TLS["cert"]]
            command += ["--tls-client-key-file", checks.TLS["key"]]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until("the exporter answers", self.answers)

    def get(self, path):
        with urllib.request.urlopen(f"http://{checks.HOST}:{self.port}{path}", timeout=5) as page:
            return page.read().decode()

    def answers(self):
        try:
            return self.get("/")
        except (urllib.error.URLError, ConnectionError):
            return None

    def scrape(self, port):
        """The numbers of one server, by name and labels."""
        query = urllib.parse.urlencode({"target": f"{SCHEME}://{checks.HOST}:{port}"})
        try:
            page = self.get(f"/scrape?{query}")
        except TimeoutError:
            # Over TLS the exporter has no limit for a server that hangs; Prometheus has one.
            return {"redis_up": 0}
        lines = [line for line in page.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


exporter = Exporter(sys.argv[1])


def roles():
    """Who is master and who is a replica, as Prometheus sees it."""
    found = {}
    for port in SERVERS:
        told = exporter.scrape(port)
        named = [name for name in told if name.startswith("redis_instance_info{")]
        if not told["redis_up"]:
            found[port] = "down"
        else:
            found[port] = "master" if 'role="master"' in named[0] else "slave"
    return found


def one_master_and(others):
    return sorted(roles().values()) == sorted(["master", *others])


@check
def all_servers_are_told_of(_):
    client.set("job:1", "x" * 100)
    checks.fence(client)
    wait_until("one master and two replicas are seen", lambda: one_master_and(["slave", "slave"]))
    told = exporter.scrape(checks.PORT)
    assert told["redis_up"] == 1 and told["redis_connected_slaves"] == 2, told
    assert told['redis_key_size{db="db0",key="job:1"}'] == 100
    assert told['redis_db_keys{db="db0"}'] == 2 and told["redis_memory_used_bytes"] > 100_000
    assert told['redis_commands_total{cmd="set"}'] >= 2 and told["redis_connected_clients"] >= 1
    assert told["redis_uptime_in_seconds"] >= 0 and told["redis_aof_enabled"] == 0
    assert told['redis_config_maxclients'] > 100
    replicas = [name for name in told if name.startswith("redis_connected_slave_offset_bytes{")]
    assert len(replicas) == 2 and all(told[name] > 0 for name in replicas)
    follower = exporter.scrape(next(port for port, role in roles().items() if role == "slave"))
    assert follower["redis_slave_info" + labels_of(follower, "redis_slave_info")] == 1
    assert follower["redis_master_link_up" + labels_of(follower, "redis_master_link_up")] == 1


def labels_of(told, name):
    """The labels with which a number is told once."""
    return next(found for found in told if found.split("{")[0] == name)[len(name):]


@check
def sentinels_are_told_of(_):
    told = exporter.scrape(checks.SENTINELS[0][1])
    assert told["redis_up"] == 1 and told["redis_sentinel_masters"] == 1, told
    status = "redis_sentinel_master_status" + labels_of(told, "redis_sentinel_master_status")
    assert told[status] == 1 and f'master_name="{checks.MASTER_NAME}"' in status
    slaves = "redis_sentinel_master_slaves" + labels_of(told, "redis_sentinel_master_slaves")
    sentinels = "redis_sentinel_master_sentinels" + labels_of(told, "redis_sentinel_master_sentinels")
    assert told[slaves] == 2 and told[sentinels] == 3


def see_failover(word):
    old = next(port for port, role in roles().items() if role == "master")
    checks.begin(word)
    wait_until("a server is down", lambda: "down" in roles().values())
    checks.await_up()
    wait_until("another is master", lambda: one_master_and(["slave", "down"]))
    assert roles()[old] == "down"
    checks.mend()
    wait_until("the old master is a replica", lambda: one_master_and(["slave", "slave"]))
    assert roles()[old] == "slave"


@check
def a_crash_of_the_master_is_seen(_):
    see_failover("kill")


@check
def a_master_that_hangs_is_seen(_):
    see_failover("stop")


checks.main(lambda: None)
