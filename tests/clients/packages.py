"""What the suites need of other people's programs, put below `target/clients` where it can be had.

Each function here gives the command that runs a program, and raises `Skip` where the tool or its
packages cannot be had: that a suite was left out is said, with the reason, and never taken for
success.
"""

import functools
import hashlib
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CACHE = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve() / "clients"
# For one of the installations.
INSTALL_SECONDS_MAX = 150


class Skip(Exception):
    """Why suites cannot run here."""


def call(command, seconds=INSTALL_SECONDS_MAX, **options):
    """Runs a command of an installation to its end."""
    try:
        done = subprocess.run(
            command, text=True, stdin=subprocess.DEVNULL, timeout=max(seconds, 1),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Skip(f"{error}") from None
    if done.returncode != 0:
        # Maven tells the cause first, and then where to read about it.
        _, maven, causes = done.stdout.partition("[ERROR] ")
        told = causes.split("\n")[0] if maven else done.stdout[-500:].strip()
        raise Skip(f"{' '.join(map(str, command[:4]))} … failed:\n{told}")


install_locks = {}


def install(name, contents, make):
    """The folder that belongs to these contents; made when that is not there yet."""
    digest = hashlib.sha256(contents).hexdigest()[:12]
    folder = CACHE / f"{name}-{digest}"
    # A suite runs in the clear and over TLS at the same time, and both want its program.
    with install_locks.setdefault(folder, threading.Lock()):
        if (folder / "complete").exists():
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        end = time.monotonic() + INSTALL_SECONDS_MAX
        for command in make(folder):
            call(command, end - time.monotonic(), cwd=folder)
        (folder / "complete").touch()
    return folder


def reason_kept(function):
    """Has a function run once, for all threads, and not try again when it failed."""
    lock = threading.Lock()

    @functools.cache
    def outcome():
        try:
            return function()
        except Skip as reason:
            return reason

    @functools.wraps(function)
    def wrapped():
        with lock:
            found = outcome()
        if isinstance(found, Skip):
            raise found
        return found

    return wrapped


apt_lock = threading.Lock()


def as_root():
    """The words before a command that root is to run."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") and subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode == 0:
        return ["sudo", "-n"]
    raise Skip("only root can install packages")


@reason_kept
def refreshed():
    """Has the list of Debian's packages be of today."""
    call([*as_root(), "apt-get", "update", "-qq"])


def debian(tools, packages):
    """Installs Debian's packages where one of the tools or files is missing."""
    if all(shutil.which(tool) or os.path.exists(tool) for tool in tools):
        return
    if not shutil.which("apt-get"):
        raise Skip(f"{', '.join(packages)}: not installed, and there is no apt-get on this machine")
    with apt_lock:
        try:
            refreshed()
            call([*as_root(), "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "-qq",
                  "--no-install-recommends", *packages])
        except Skip as reason:
            raise Skip(f"{', '.join(packages)}: not installed, and {reason}") from None


@reason_kept
def python():
    """The interpreter that has the packages of `requirements.txt`."""
    listed = HERE / "requirements.txt"
    venv = install("requirements", listed.read_bytes() + sys.version.encode(), lambda folder: [
        [sys.executable, "-m", "venv", folder],
        [folder / "bin/pip", "install", "-q", "--disable-pip-version-check", "--retries", "1",
         "--timeout", "15", "-r", listed],
    ])
    return lambda program: [venv / "bin/python", "-u", HERE / program]


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

    modules = install("package-lock", (HERE / "package-lock.json").read_bytes(), make)
    # Node looks for modules beside the program, so the programs are copied to them.
    for program in HERE.glob("*.mjs"):
        shutil.copy(program, modules)
    return lambda program: ["node", modules / program]


@reason_kept
def ruby():
    """The interpreter, with Debian's Sidekiq."""
    debian(["ruby", "sidekiq"], ["ruby-sidekiq"])
    # Later ones have another client, with settings of other names.
    call(["ruby", "-e", "gem 'sidekiq', '~> 6.4'; gem 'redis', '~> 4.8'"])
    return lambda program: ["ruby", HERE / program]


GO_PATH = "/usr/share/gocode"


def built(*words):
    """Builds a program of the named files of Go, with words for the environment."""
    def build(program):
        sources = [HERE / name for name in program.split()]
        contents = b"".join(path.read_bytes() for path in [*sources, HERE / "go.mod", HERE / "go.sum"])
        folder = install(sources[-1].stem, contents, lambda folder: [
            ["env", "-C", HERE, f"GOCACHE={CACHE / 'go-build'}", *words, "go", "build", "-o",
             folder / "program", *sources],
        ])
        return [folder / "program"]

    return build


@reason_kept
def go():
    """Debian's packages hold its libraries as sources."""
    debian(["go", f"{GO_PATH}/src/gopkg.in/redis.v5"], ["golang-go", "golang-gopkg-redis.v5-dev"])
    return built(f"GOPATH={GO_PATH}", "GO111MODULE=off", "GOFLAGS=")


@reason_kept
def go_modules():
    """The libraries are those of `go.mod`, from wherever `go` is set to take modules."""
    debian(["go"], ["golang-go"])
    # The compiler is the one that is here, whichever the modules would like.
    words = ["GO111MODULE=on", "GOTOOLCHAIN=local"]
    environment = dict(os.environ, **dict(word.split("=") for word in words))
    call(["go", "mod", "download", "github.com/redis/go-redis/v9"], cwd=HERE, env=environment)
    return built(*words)


# A folder of jars, or a class path, with the libraries of `pom.xml` where Maven cannot bring them.
JAVA_JARS = "CLIENTS_JAVA_JARS"


@reason_kept
def java():
    """What programs of Java are compiled to, with the libraries of `pom.xml`."""
    if not shutil.which("javac"):
        raise Skip("there is no JDK on this machine")
    path = os.environ.get(JAVA_JARS)
    if not path:
        if not shutil.which("mvn"):
            raise Skip(f"there is no mvn on this machine, and {JAVA_JARS} is not set")
        listed = HERE / "pom.xml"
        path = install("maven", listed.read_bytes(), lambda folder: [
            ["mvn", "-B", "-q", "-Dstyle.color=never", "-f", listed, f"-DoutputDirectory={folder}",
             "dependency:copy-dependencies"],
        ])
    if os.path.isdir(path):
        path = Path(path).resolve() / "*"

    def compiled(program):
        sources = [HERE / name for name in program.split()]
        contents = b"".join(source.read_bytes() for source in sources) + str(path).encode()
        folder = install(sources[-1].stem, contents, lambda folder: [
            ["javac", "-nowarn", "-cp", path, "-d", folder, *sources],
        ])
        # The class is called like the file, as Java writes names.
        return ["java", "-cp", f"{folder}:{path}", sources[-1].stem.title().replace("_", "")]

    return compiled


@reason_kept
def exporter():
    """Prometheus's exporter of Debian, unpacked but not installed: that would start a service."""
    python()
    package, path = "prometheus-redis-exporter", "usr/bin/prometheus-redis-exporter"

    def make(folder):
        if not shutil.which("apt-get"):
            raise Skip(f"{package}: there is no apt-get on this machine")
        fetch = ["apt-get", "download", "-qq", package]
        with apt_lock:
            try:
                call(fetch, cwd=folder)
            except Skip:
                refreshed()
                call(fetch, cwd=folder)
        return [["sh", "-c", "dpkg-deb -x *.deb . && rm *.deb"]]

    program = shutil.which(package) or install("exporter", package.encode(), make) / path
    return lambda check: [*python()(check), program]


def nowhere(reason):
    """Stands for a tool or a library that none of the sources of packages has."""

    def absent():
        raise Skip(reason)

    return absent
