# docker-py 5.0 (Debian's python3-docker) against the socket of DOCKER_HOST: what testcontainers for Python, Ansible's modules and people's scripts do with it.
# One line for each thing that works.
import io
import os
import struct
import sys
import tarfile
import threading
import time
import traceback

import docker
from docker.errors import APIError, BuildError, ContainerError, ImageNotFound, NotFound
from docker.types import Healthcheck, IPAMConfig, IPAMPool, LogConfig, Mount, Ulimit

client = docker.from_env(timeout=60)
api = client.api
forever = ["sleep", "1000"]
steps = []


def step(function):
    steps.append(function)
    return function


def archive(files):
    """A tar of names and their bytes."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def refused(kind, status, words, call, *args, **options):
    """The class of the error, its status and the daemon's words."""
    try:
        call(*args, **options)
    except kind as error:
        assert error.response.status_code == status, (error.response.status_code, str(error))
        assert words in error.explanation, error.explanation
        assert error.is_client_error() == (status < 500)
        return
    raise AssertionError(f"{kind.__name__} was expected")


class Running:
    """A container for the length of a block."""

    def __init__(self, command=forever, **options):
        self.container = client.containers.run("busybox", command, detach=True, stop_signal="SIGKILL", **options)

    def __enter__(self):
        return self.container

    def __exit__(self, *_):
        self.container.remove(force=True, v=True)


def until(what, condition, seconds=15):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what} took more than {seconds} s"
        time.sleep(0.05)


@step
def ping_version_info_and_disk_usage():
    assert client.ping() is True
    assert client.version()["Os"] == "linux"
    assert client.info()["OSType"] == "linux"
    assert {"Images", "Containers", "Volumes", "LayersSize"} <= set(client.df())


@step
def versions_are_negotiated_or_given():
    host = os.environ["DOCKER_HOST"]
    assert docker.APIClient(base_url=host, version="auto").api_version == client.version()["ApiVersion"]
    for version in ("1.24", "1.30", "1.35", "1.39", "1.41", "1.44"):
        old = docker.DockerClient(base_url=host, version=version)
        assert old.containers.run("busybox", ["echo", version], remove=True).decode().strip() == version
        old.images.list(), old.networks.list(), old.volumes.list(), old.info()
        old.close()
    refused(APIError, 400, "too new", docker.DockerClient(base_url=host, version="1.999").info)


@step
def run_gives_the_output_or_raises_with_the_exit_code():
    assert client.containers.run("busybox", "echo one two", remove=True) == b"one two\n"
    assert sorted(client.containers.run("busybox", ["sh", "-c", "echo out; echo err >&2"], stdout=True, stderr=True, remove=True).split()) == [b"err", b"out"]
    assert b"".join(client.containers.run("busybox", ["sh", "-c", "echo 1; echo 2"], stream=True, remove=True)) == b"1\n2\n"
    try:
        client.containers.run("busybox", ["sh", "-c", "echo why >&2; exit 3"], remove=True)
        raise AssertionError("an exit code of 3 went by")
    except ContainerError as error:
        assert (error.exit_status, error.stderr) == (3, b"why\n"), (error.exit_status, error.stderr)
    refused(APIError, 400, "/nothing", client.containers.run, "busybox", "/nothing", labels={"py": "unable"})
    assert len(client.containers.prune(filters={"label": "py=unable"})["ContainersDeleted"]) == 1


@step
def every_option_of_run_arrives():
    pool = IPAMPool(subnet="10.131.0.0/24", gateway="10.131.0.1")
    network = client.networks.create("py-options", ipam=IPAMConfig(pool_configs=[pool]))
    volume = client.volumes.create("py-options")
    try:
        with Running(
            name="py-options", hostname="named", domainname="example.org", environment={"A": "1"}, labels={"of": "py"}, working_dir="/tmp", user="1:2", group_add=["42"], stdin_open=True,
            cap_add=["NET_ADMIN"], cap_drop=["MKNOD"], security_opt=["no-new-privileges"], read_only=True, tmpfs={"/scratch": "size=1m,mode=1777"}, mem_limit="64m", mem_reservation="32m", nano_cpus=500_000_000,
            cpu_shares=512, cpuset_cpus="0", pids_limit=50, oom_score_adj=100, shm_size="2m", ulimits=[Ulimit(name="nofile", soft=100, hard=200)], sysctls={"net.ipv4.ip_default_ttl": "33"}, extra_hosts={"db": "192.0.2.7"},
            dns=["192.0.2.53"], dns_search=["example.net"], dns_opt=["ndots:3"], init=True, ipc_mode="private", network="py-options", ports={"80/tcp": None, "81/udp": ("127.0.0.1", 8381), "82/tcp": [8382, 8383]},
            restart_policy={"Name": "on-failure", "MaximumRetryCount": 2}, log_config=LogConfig(type="json-file", config={"max-size": "1m"}),
            mounts=[Mount("/data", "py-options"), Mount("/bound", "/etc", type="bind", read_only=True)], volumes={"/usr": {"bind": "/host-usr", "mode": "ro"}}, devices=["/dev/null:/dev/nil:rw"],
            healthcheck=Healthcheck(test=["CMD", "true"], interval=200_000_000, timeout=5_000_000_000, retries=3),
        ) as container:
            container.reload()
            host, config = container.attrs["HostConfig"], container.attrs["Config"]
            assert (host["Memory"], host["MemoryReservation"], host["NanoCpus"], host["CpuShares"], host["CpusetCpus"], host["PidsLimit"], host["ShmSize"]) == (64 << 20, 32 << 20, 500_000_000, 512, "0", 50, 2 << 20)
            assert (config["Hostname"], config["User"], config["WorkingDir"], config["StopSignal"]) == ("named", "1:2", "/tmp", "SIGKILL")
            assert host["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 2}
            assert container.labels["of"] == "py" and container.name == "py-options" and container.image.tags == ["busybox:latest"]
            assert [entry["HostPort"] for entry in container.ports["82/tcp"]][:2] == ["8382", "8383"] and container.ports["81/udp"] == [{"HostIp": "127.0.0.1", "HostPort": "8381"}]
            assert {mount["Destination"] for mount in container.attrs["Mounts"]} == {"/data", "/bound", "/host-usr"}
            script = "id; hostname; ulimit -n; cat /proc/sys/net/ipv4/ip_default_ttl; cat /etc/hosts; test -c /dev/nil; test -d /host-usr/bin; touch /scratch/x; touch /y 2>/dev/null || echo read-only"
            told = container.exec_run(["sh", "-c", script]).output.decode()
            for words in ("uid=1(daemon) gid=2 groups=2,42", "named", "\n100\n", "\n33\n", "192.0.2.7\tdb", "read-only"):
                assert words in told, told
            until("health", lambda: (container.reload(), container.attrs["State"]["Health"]["Status"] == "healthy")[1])
    finally:
        network.remove()
        volume.remove()


@step
def the_life_of_a_container():
    with Running(name="py-life") as container:
        assert container.status == "created" and (container.reload() or container.status) == "running"
        assert client.containers.get("py-life").id == container.id and client.containers.get(container.short_id) == container
        container.pause()
        assert client.containers.get("py-life").status == "paused"
        container.unpause()
        container.rename("py-renamed")
        container.update(mem_limit="96m", memswap_limit="96m", restart_policy={"Name": "always"})
        container.reload()
        assert (container.name, container.attrs["HostConfig"]["Memory"]) == ("py-renamed", 96 << 20)
        container.restart(timeout=1)
        container.stop(timeout=1)
        container.reload()
        assert container.status == "exited" and container.attrs["State"]["ExitCode"] == 137
        container.start()
        container.kill("SIGTERM")
        assert container.resize(20, 80) is None
        container.kill()
        assert container.wait()["StatusCode"] == 137


@step
def wait_for_its_conditions_and_in_time():
    with Running(["sh", "-c", "read x; exit 6"], stdin_open=True) as container:
        try:
            container.wait(timeout=0.3)
            raise AssertionError("waiting ended")
        except Exception as error:
            assert "timed out" in str(error).lower(), error
        connection = container.attach_socket(params={"stdin": 1, "stream": 1})
        connection._sock.sendall(b"go\n")
        assert container.wait(condition="not-running", timeout=20)["StatusCode"] == 6
        connection.close()
    container = client.containers.create("busybox", "true", auto_remove=True)
    results = []
    waiting = threading.Thread(target=lambda: results.append(container.wait(condition="removed", timeout=20)))
    waiting.start()
    container.start()
    waiting.join()
    assert results[0]["StatusCode"] == 0
    refused(NotFound, 404, "No such container", client.containers.get, container.id)


@step
def logs_whole_in_parts_and_as_they_come():
    with Running(["sh", "-c", "for i in 1 2 3; do echo line $i; done; echo err >&2; sleep 0.3; echo last"]) as container:
        assert b"".join(container.logs(stream=True, follow=True, stderr=False)) == b"line 1\nline 2\nline 3\nlast\n"
        assert container.logs(stdout=False, stderr=True) == b"err\n"
        assert container.logs(tail=1) == b"last\n"
        assert container.logs(tail=1, timestamps=True).split(b" ")[0].endswith(b"Z")
        assert container.logs(since=int(time.time()) + 100) == b""
        assert container.logs(until=int(time.time()) + 100, stderr=False).startswith(b"line 1")
        stream = container.logs(stream=True)
        assert next(stream).startswith(b"line 1")
        stream.close()
    with Running(["sh", "-c", "echo raw"], tty=True) as container:
        container.wait()
        assert container.logs() == b"raw\r\n"


@step
def attach_as_a_stream_and_as_sockets():
    with Running(["sh", "-c", "while read line; do echo got $line; echo err >&2; done; echo end"], stdin_open=True) as container:
        connection = container.attach_socket(params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
        output = container.attach(stream=True, stdout=True, stderr=True, demux=True)
        connection._sock.sendall(b"one\n")
        kind, length = struct.unpack(">BxxxL", connection.read(8))
        assert (kind, connection.read(length)) in ((1, b"got one\n"), (2, b"err\n"))
        assert next(output) in ((b"got one\n", None), (None, b"err\n"))
        connection.close()
    with Running(["sh", "-c", "echo already; sleep 1000"]) as container:
        until("the line", lambda: container.logs() == b"already\n")
        container.kill()
        assert container.attach(logs=True, stream=False) == b"already\n"


@step
def exec_run_in_all_its_forms():
    with Running() as container:
        for _ in range(20):
            assert container.exec_run("echo hello") == (0, b"hello\n")
        assert container.exec_run(["sh", "-c", "echo $A $(pwd) $(id -u); exit 4"], environment={"A": "1"}, workdir="/tmp", user="nobody") == (4, b"1 /tmp 65534\n")
        assert container.exec_run(["sh", "-c", "echo out; echo err >&2"], demux=True).output == (b"out\n", b"err\n")
        assert b"".join(container.exec_run(["sh", "-c", "echo 1; sleep 0.1; echo 2"], stream=True).output) == b"1\n2\n"
        assert container.exec_run("tty", tty=True).output.startswith(b"/dev/pts/")
        assert not container.exec_run("touch /detached", detach=True).output
        until("the detached one", lambda: container.exec_run("test -e /detached").exit_code == 0)
        assert container.exec_run("grep CapEff /proc/self/status", privileged=True).output.strip().endswith(b"ffffff")
        code, connection = container.exec_run("cat", stdin=True, socket=True)
        assert code is None
        connection._sock.sendall(b"through\n")
        kind, length = struct.unpack(">BxxxL", connection.read(8))
        assert (kind, connection.read(length)) == (1, b"through\n")
        connection.close()
        created = api.exec_create(container.id, ["sh", "-c", "exit 9"])
        assert api.exec_inspect(created["Id"])["ExitCode"] is None
        api.exec_start(created["Id"])
        assert api.exec_inspect(created["Id"])["ExitCode"] == 9
        assert container.exec_run("/nothing").exit_code in (126, 127)
        refused(NotFound, 404, "No such exec", api.exec_inspect, "0" * 64)
    refused(NotFound, 404, "No such container", api.exec_create, "nobody", "true")


@step
def archives_go_in_and_out():
    with Running() as container:
        assert container.put_archive("/tmp", archive({"deep/file.txt": b"from the test"})) is True
        assert container.put_archive("/tmp", io.BytesIO(archive({"streamed": b"x" * 300_000}))) is True
        parts, stat = container.get_archive("/tmp/deep", chunk_size=None, encode_stream=True)
        assert stat["name"] == "deep" and stat["mtime"].endswith("Z"), stat
        with tarfile.open(fileobj=io.BytesIO(b"".join(parts))) as tar:
            assert tar.extractfile("deep/file.txt").read() == b"from the test"
        assert container.get_archive("/tmp/streamed")[1]["size"] == 300_000
        refused(NotFound, 404, "/nowhere", container.get_archive, "/nowhere")
        refused(NotFound, 404, "/nowhere", container.put_archive, "/nowhere", archive({"a": b"b"}))
        assert {entry["Path"] for entry in container.diff()} >= {"/tmp", "/tmp/streamed"}
        with tarfile.open(fileobj=io.BytesIO(b"".join(container.export()))) as tar:
            assert "tmp/streamed" in tar.getnames()


@step
def stats_top_and_lists():
    with Running(labels={"py": "listed"}, name="py-listed") as container:
        assert container.stats(stream=False)["memory_stats"]["usage"] > 0
        stream = container.stats(decode=True)
        assert next(stream)["pids_stats"]["current"] >= 1
        stream.close()
        assert container.top()["Processes"][0][-1] == "sleep 1000"
        assert container.top(ps_args="-o pid,comm")["Titles"] == ["PID", "COMMAND"]
        assert [each.name for each in client.containers.list(filters={"label": ["py=listed"], "status": "running"})] == ["py-listed"]
        assert client.containers.list(all=True, sparse=True, filters={"name": "py-list"})[0].id == container.id
        assert api.containers(limit=1, size=True)[0]["SizeRootFs"] > 0
        refused(APIError, 400, "invalid filter", client.containers.list, filters={"colour": "blue"})
        commit = container.commit("py-kept", "1", message="note", author="me", changes="ENV A=1", conf={"Labels": {"a": "b"}})
        assert commit.tags == ["py-kept:1"] and commit.attrs["Author"] == "me" and "A=1" in commit.attrs["Config"]["Env"] and commit.labels == {"a": "b", "py": "listed"} and commit.attrs["Comment"] == "note", commit.attrs
        client.images.remove("py-kept:1")
    assert client.containers.prune(filters={"label": "py=none"})["SpaceReclaimed"] == 0


@step
def images_are_built_from_files_and_from_memory():
    dockerfile = b"FROM busybox\nARG WHAT=nothing\nRUN echo $WHAT > /made\nLABEL by=py\nCMD [\"cat\", \"/made\"]\n"
    image, log = client.images.build(fileobj=io.BytesIO(dockerfile), tag="py-built", buildargs={"WHAT": "something"}, labels={"more": "1"}, rm=True, forcerm=True, nocache=True)
    lines = list(log)
    assert any("Successfully built" in line.get("stream", "") for line in lines) and any("ID" in line.get("aux", {}) for line in lines)
    assert image.labels == {"by": "py", "more": "1"}
    assert client.containers.run("py-built", remove=True) == b"something\n"
    context = io.BytesIO(archive({"Other": b"FROM busybox AS one\nCOPY file /\nFROM one AS two\nRUN false\n", "file": b"x"}))
    image, _ = client.images.build(fileobj=context, custom_context=True, dockerfile="Other", target="one", container_limits={"memory": 64 << 20}, network_mode="none", shmsize=1 << 20, extra_hosts={"db": "192.0.2.1"})
    client.images.remove(image.id)
    directory = os.path.join(os.environ["HOME"], "py-context")
    os.makedirs(directory, exist_ok=True)
    for name, content in {"Dockerfile": "FROM busybox\nCOPY . /c\nRUN ls /c\n", "kept": "1", "left-out": "2", ".dockerignore": "left-*\n"}.items():
        with open(os.path.join(directory, name), "w", encoding="ascii") as file:
            file.write(content)
    image, _ = client.images.build(path=directory, tag="py-path", gzip=True)
    assert client.containers.run("py-path", "ls /c", remove=True).split() == [b"Dockerfile", b"kept"]
    try:
        client.images.build(fileobj=io.BytesIO(b"FROM busybox\nRUN echo before; exit 3\n"))
        raise AssertionError("a command that fails was built")
    except BuildError as error:
        assert "returned a non-zero code: 3" in error.msg and any("before" in line.get("stream", "") for line in error.build_log), error.msg
    # One stage cannot be parsed: before the stream begins, or in it.
    try:
        client.images.build(fileobj=io.BytesIO(b"NONSENSE\n"))
        raise AssertionError("nonsense was built")
    except (APIError, BuildError) as error:
        assert "NONSENSE" in str(error), error
    client.images.remove("py-path")


@step
def images_tag_history_save_load_import_prune():
    image = client.images.get("py-built")
    assert image.tag("py-built", tag="again") is True and image.id.startswith("sha256:")
    assert len(image.history()) >= 2
    saved = b"".join(image.save(named=True))
    client.images.remove("py-built:again")
    client.images.remove("py-built", force=True)
    refused(ImageNotFound, 404, "No such image", client.images.get, "py-built")
    assert client.images.load(saved)[0].tags == ["py-built:latest"]
    assert [each.id for each in client.images.list(name="py-built", filters={"label": "by=py", "dangling": False})] == [image.id]
    api.import_image_from_data(archive({"file": b"x"}), repository="py-imported", tag="1", changes=["CMD [\"x\"]"])
    assert client.images.get("py-imported:1").attrs["Config"]["Cmd"] == ["x"]
    assert client.images.get("busybox").attrs["Os"] == "linux"
    client.images.remove("py-imported:1")
    client.images.remove("py-built")
    assert "SpaceReclaimed" in client.images.prune(filters={"dangling": True})
    assert "SpaceReclaimed" in api.prune_builds()
    refused(ImageNotFound, 404, "No such image", client.images.get, "nothing")
    refused(ImageNotFound, 404, "No such image", client.images.remove, "nothing")
    refused(APIError, 503, "127.0.0.1:1", client.images.pull, "127.0.0.1:1/nothing", tag="1")
    refused(APIError, 501, "Cannot search", client.images.search, "nothing")
    refused(APIError, 503, "127.0.0.1:1", client.login, "a", "b", registry="127.0.0.1:1")


@step
def networks():
    network = client.networks.create("py-net", driver="bridge", labels={"a": "b"}, options={"com.docker.network.driver.mtu": "1400"}, check_duplicate=True, internal=False, attachable=True, enable_ipv6=False,
                                     ipam=IPAMConfig(pool_configs=[IPAMPool(subnet="10.132.0.0/24", iprange="10.132.0.128/25", aux_addresses={"kept": "10.132.0.129"})]))
    try:
        assert client.networks.list(names=["py-net"], filters={"label": "a=b"})[0].id == network.id
        with Running() as container:
            network.connect(container, aliases=["known"], ipv4_address="10.132.0.9")
            network.reload()
            assert [each.id for each in network.containers] == [container.id]
            assert b"10.132.0.9" in client.containers.run("busybox", "nslookup known", network="py-net", remove=True)
            refused(APIError, 403, "active endpoints", network.remove)
            network.disconnect(container, force=True)
        endpoint = api.create_endpoint_config(aliases=["low"], ipv4_address="10.132.0.10")
        created = api.create_container("busybox", forever, host_config=api.create_host_config(network_mode="py-net"), networking_config=api.create_networking_config({"py-net": endpoint}), name="py-low")
        api.start(created)
        assert api.inspect_container("py-low")["NetworkSettings"]["Networks"]["py-net"]["IPAddress"] == "10.132.0.10"
        api.remove_container(created, force=True)
        refused(APIError, 409, "already exists", client.networks.create, "py-net", check_duplicate=True)
    finally:
        network.remove()
    refused(NotFound, 404, "not found", client.networks.get, "py-net")
    assert "NetworksDeleted" in client.networks.prune(filters={"label": "none=such"})


@step
def volumes():
    volume = client.volumes.create("py-volume", driver="local", driver_opts={"type": "tmpfs", "device": "tmpfs", "o": "size=1m"}, labels={"a": "b"})
    try:
        assert client.volumes.get("py-volume").attrs["Options"]["o"] == "size=1m"
        assert [each.name for each in client.volumes.list(filters={"label": "a=b"})] == ["py-volume"]
        with Running(volumes={"py-volume": {"bind": "/v", "mode": "rw"}}) as container:
            assert b" 1024 " in container.exec_run("df -k /v").output
            refused(APIError, 409, "in use", volume.remove)
    finally:
        volume.remove(force=True)
    refused(NotFound, 404, "no such volume", client.volumes.get, "py-volume")
    assert "SpaceReclaimed" in client.volumes.prune(filters={"label": "none=such"})


@step
def events_as_they_happen_and_of_the_past():
    events = client.events(decode=True, filters={"type": "container", "event": ["create", "start", "die", "destroy"], "label": "py=event"})
    seen = []
    reading = threading.Thread(target=lambda: seen.extend(event["Action"] for event in events))
    reading.start()
    since = int(time.time()) - 1
    client.containers.run("busybox", "true", remove=True, labels={"py": "event"})
    until("four events", lambda: len(seen) >= 4)
    events.close()
    reading.join(10)
    assert seen == ["create", "start", "die", "destroy"], seen
    past = [event["status"] for event in client.events(decode=True, since=since, until=int(time.time()) + 1, filters={"label": "py=event"})]
    assert [each for each in past if each in seen] == seen, past


@step
def errors_have_their_class_and_words():
    refused(NotFound, 404, "No such container: nobody", client.containers.get, "nobody")
    refused(ImageNotFound, 404, "No such image: nothing:latest", client.containers.create, "nothing")
    refused(APIError, 400, "Invalid container name", client.containers.create, "busybox", name="a b")
    refused(APIError, 400, "Minimum memory limit", client.containers.create, "busybox", mem_limit="1m")
    with Running(name="py-taken") as container:
        refused(APIError, 409, 'The container name "/py-taken" is already in use', client.containers.create, "busybox", name="py-taken")
        refused(APIError, 409, "running", container.remove)
        refused(APIError, 409, "not paused", container.unpause)
        container.start()
        container.stop(timeout=0)
        container.stop(timeout=0)
        refused(APIError, 409, "not running", container.kill)
        refused(APIError, 409, "not running", container.exec_run, "true")
    refused(APIError, 503, "swarm", client.swarm.reload)
    assert client.plugins.list() == []


@step
def many_at_once():
    failures = []

    def one(number):
        try:
            assert client.containers.run("busybox", ["echo", str(number)], remove=True) == f"{number}\n".encode()
        except Exception as error:
            failures.append(error)
    threads = [threading.Thread(target=one, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == [], failures


failed = 0
for each in steps:
    title = each.__name__.replace("_", " ")
    try:
        each()
        print(f"ok {title}", flush=True)
    except Exception:
        failed += 1
        print(f"not ok {title}: " + traceback.format_exc(), flush=True)
# The library's connections keep no process alive.
sys.stdout.flush()
os._exit(1 if failed else 0)
