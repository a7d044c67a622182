"""Real client libraries and real job queues against our server.

The driver makes a virtualenv and a folder of node modules below `target/clients`, with exactly the
versions that `requirements.txt` and `package-lock.json` name. Each suite below is a program of a
client, which gets a fresh server of its own: it reads the port and the protocol from its
environment and prints `ok NAME` for each thing that works. When it prints `kill` the driver
kills the server with SIGKILL, starts it again on the same port and folder, and says `up`; so the
program sees what a client sees when a server crashes.

Where tools or packages cannot be had, the suites that need them are skipped, and the driver says
so and why. With names as arguments it runs only the suites whose names contain one of them.
`TANIST_TEST_SERVER` names another server to run them against.
"""

import hashlib
import functools
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CACHE = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve() / "clients"
SERVER = os.environ.get("TANIST_TEST_SERVER", CACHE.parent / "debug" / "redis-server")
# For all suites together, and for one of the two installations.
RUN_SECONDS_MAX = 280
INSTALL_SECONDS_MAX = 120

KEEPS = ["--appendonly", "yes", "--appendfsync"]
# Name, its program, what it asks of the server, and how long it may take.
SUITES = [
    ("redis-py, RESP2", ["redis_py.py", "2"], [*KEEPS, "everysec"], 60),
    ("redis-py, RESP3", ["redis_py.py", "3"], [*KEEPS, "everysec"], 60),
    ("redis-py asyncio, RESP2", ["redis_py_asyncio.py", "2"], [], 60),
    ("redis-py asyncio, RESP3", ["redis_py_asyncio.py", "3"], [], 60),
    ("ioredis, RESP2", ["ioredis.mjs", "2"], [*KEEPS, "everysec"], 60),
    ("ioredis, RESP3", ["ioredis.mjs", "3"], [*KEEPS, "everysec"], 60),
    ("node-redis, RESP2", ["node_redis.mjs", "2"], [*KEEPS, "everysec"], 60),
    ("node-redis, RESP3", ["node_redis.mjs", "3"], [*KEEPS, "everysec"], 60),
    # What a server that was killed had acknowledged must be there again: hence `always`.
    ("Celery", ["celery_jobs.py", "2"], [*KEEPS, "always"], 120),
    ("RQ", ["rq_jobs.py", "3"], [*KEEPS, "always"], 90),
    ("BullMQ", ["bullmq_jobs.mjs", "2"], [*KEEPS, "always"], 90),
]


class Skip(Exception):
    """Why suites cannot run here."""


def free_port():
    """A port below the kernel's ephemeral range, so that no outgoing connection takes it."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port


def stop_group(process):
    """Ends a process and all that it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


class Server:
    """Our server, in a folder of its own; it can be killed and started again."""

    def __init__(self, options):
        self.folder = tempfile.mkdtemp(prefix="clients-")
        self.port = free_port()
        self.command = [SERVER, "--port", str(self.port), "--bind", "127.0.0.1"]
        self.command += ["--dir", self.folder, "--logfile", "log", "--save", "", *options]
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, start_new_session=True)
        end = time.monotonic() + 20
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the server does not start:\n{self.log()}")
            time.sleep(0.02)

    def answers(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as conn:
                conn.sendall(b"PING\r\n")
                return conn.recv(100) == b"+PONG\r\n"
        except OSError:
            return False

    def kill_and_restart(self):
        stop_group(self.process)
        self.start()

    def log(self):
        return "".join(Path(self.folder, "log").read_text(errors="replace").splitlines(True)[-30:])

    def remove(self):
        stop_group(self.process)
        shutil.rmtree(self.folder, ignore_errors=True)


def install(tool, listed, make):
    """The folder with the packages that a file lists; made when that is not there yet."""
    digest = hashlib.sha256(listed.read_bytes() + tool.encode()).hexdigest()[:12]
    folder = CACHE / f"{listed.stem}-{digest}"
    if (folder / "complete").exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    end = time.monotonic() + INSTALL_SECONDS_MAX
    for command in make(folder):
        try:
            done = subprocess.run(
                command, cwd=folder, text=True, stdin=subprocess.DEVNULL, timeout=end - time.monotonic(),
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Skip(f"{error}") from None
        if done.returncode != 0:
            raise Skip(f"{' '.join(map(str, command[:4]))} … failed:\n{done.stdout[-500:].strip()}")
    (folder / "complete").touch()
    return folder


def reason_kept(function):
    """Has a function that failed once not try again."""

    @functools.cache
    def outcome():
        try:
            return function()
        except Skip as reason:
            return reason

    def wrapped():
        found = outcome()
        if isinstance(found, Skip):
            raise found
        return found

    return wrapped


@reason_kept
def python():
    """The interpreter that has the packages of `requirements.txt`."""
    listed = HERE / "requirements.txt"
    venv = install(sys.version, listed, lambda folder: [
        [sys.executable, "-m", "venv", folder],
        [folder / "bin/pip", "install", "-q", "--disable-pip-version-check", "--retries", "1",
         "--timeout", "15", "-r", listed],
    ])
    return [venv / "bin/python", "-u"]


@reason_kept
def node():
    """The interpreter; what is listed in `package-lock.json` lies where it looks for it."""
    if not (shutil.which("node") and shutil.which("npm")):
        raise Skip("there is no node and npm on this machine")

    def make(folder):
        for name in ["package.json", "package-lock.json"]:
            shutil.copy(HERE / name, folder)
        return [["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries", "1",
                 "--fetch-timeout", "15000"]]

    modules = install("node", HERE / "package-lock.json", make)
    # Node looks for modules beside the program, so the programs are copied to them.
    for program in HERE.glob("*.mjs"):
        shutil.copy(program, modules)
    return ["node", modules]


def serve_requests(program, server, lines):
    """Prints what a program reports, and kills the server when it asks for that."""
    for line in program.stdout:
        line = line.rstrip("\n")
        if line == "kill":
            server.kill_and_restart()
            print("up", file=program.stdin, flush=True)
        else:
            lines.append(line)


def run(command, server, protocol, seconds):
    """Runs a program to its end; its lines, and whether all is well."""
    environment = dict(os.environ, REDIS_PORT=str(server.port), REDIS_PROTOCOL=protocol)
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    program = subprocess.Popen(
        command, cwd=server.folder, env=environment, start_new_session=True, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace",
    )
    lines = []
    reader = threading.Thread(target=serve_requests, args=(program, server, lines), daemon=True)
    reader.start()
    try:
        return lines, program.wait(timeout=seconds) == 0
    except subprocess.TimeoutExpired:
        return [*lines, f"not done after {seconds:.0f} seconds"], False
    finally:
        stop_group(program)
        reader.join(5)


def run_suite(name, program, options, seconds):
    """How many checks passed, and whether the suite did."""
    path, protocol = program
    interpreter = python() if path.endswith(".py") else node()
    if path.endswith(".mjs"):
        interpreter, path = interpreter[:1], interpreter[1] / path
    else:
        path = HERE / path
    server = Server(options)
    began = time.monotonic()
    try:
        lines, well = run([*interpreter, path], server, protocol, seconds)
        passed = [line for line in lines if line.startswith("ok ")]
        well = well and bool(passed) and server.process.poll() is None
        print(f"{name}: {'passed' if well else 'FAILED'} in {time.monotonic() - began:.1f} s")
        for line in passed if well else lines[-100:]:
            print(f"    {line}")
        if not well:
            print(server.log())
        return len(passed), well
    finally:
        server.remove()


def main():
    wanted = sys.argv[1:]
    end = time.monotonic() + RUN_SECONDS_MAX
    passed, failed, skipped = 0, 0, 0
    reasons = set()
    for name, program, options, seconds in SUITES:
        if wanted and not any(word in name for word in wanted):
            continue
        try:
            checks, well = run_suite(name, program, options, min(seconds, end - time.monotonic()))
            passed += checks
            failed += not well
        except Skip as reason:
            print(f"skipped: {name}: {'as above' if reason in reasons else reason}")
            reasons.add(reason)
            skipped += 1
        sys.stdout.flush()
    if passed + failed == 0:
        print("skipped: no client could be run here")
    else:
        print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(failed > 0)


if __name__ == "__main__":
    # An end by a signal is an end like any other: what was started is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    main()
