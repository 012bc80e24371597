import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { waitFor } from "../harness.js";
import { home } from "../run.js";
import { makeCertificates } from "./certificates.js";
import { ClientHost } from "./client-host.js";
import type { HostShell } from "./host-shell.js";

/** A tour of the stock docker command: every command of its help that needs no plugin and no cluster, compared with what Docker's documentation says it answers. */
interface Stop {
  /** What is run by sh on the host, in a directory of the tour, DOCKER_HOST set. Later stops use what earlier ones made. */
  readonly run: string;
  readonly code?: number;                  // 0
  /** What standard output must show. */
  readonly out?: RegExp;
  readonly err?: RegExp;
  readonly input?: string;
  /** Tried again until it is as said, for what takes its time; also events, whose --until the command cuts to whole seconds. */
  readonly isEventual?: boolean;
  /** The first version of the command that has this. */
  readonly cli?: number;
  /** Only on this architecture. */
  readonly on?: NodeJS.Architecture;
}

const directory = join(home, "tour");
const context = join(home, "context");
const certificates = join(home, "certificates");
const id = /^[0-9a-f]{64}$/m;
/** A terminal of its own for the command. */
const terminal = (command: string): string => `script -qec ${JSON.stringify(command)} /dev/null`;

const tour: Readonly<Record<string, readonly Stop[]>> = {
  "the daemon": [
    { run: "docker version --format '{{.Server.APIVersion}} {{.Server.MinAPIVersion}} {{.Server.Os}}'", out: /^1\.51 1\.24 linux$/m },
    { run: "docker info --format '{{.OSType}} {{.Swarm.LocalNodeState}} {{.Driver}} {{.NCPU}}'", out: /^linux inactive \w+ \d+$/m },
    { run: "DOCKER_API_VERSION=1.24 docker ps", out: /CONTAINER ID/ },
    { run: "DOCKER_API_VERSION=1.23 docker ps", code: 1, err: /too old/ },
    { run: "docker info", out: /Server:[\s\S]*Storage Driver: [\s\S]*Runtimes: /, err: /^(?!.*ERROR)/ },
    { run: "docker version", out: /Server:[\s\S]*Version: / },
    { run: "printf 'GET /_ping HTTP/1.0\\r\\n\\r\\n' | docker system dial-stdio", out: /200 OK[\s\S]*OK/ },
    { run: "for v in 1.24 1.30 1.38 1.40 1.41 1.43 1.44; do DOCKER_API_VERSION=$v docker run --rm -v versions:/v busybox echo $v && DOCKER_API_VERSION=$v docker ps -q && DOCKER_API_VERSION=$v docker images -q >/dev/null && DOCKER_API_VERSION=$v docker network ls -q >/dev/null || exit; done; docker volume rm versions", out: /^1\.24\n1\.30\n1\.38\n1\.40\n1\.41\n1\.43\n1\.44\nversions$/m },
  ],
  run: [
    { run: "docker run --rm busybox echo hello", out: /^hello$/m },
    { run: "docker run --rm busybox sh -c 'echo one; echo two >&2; exit 7'", code: 7, out: /^one$/m, err: /^two$/m },
    { run: "docker run --rm -i busybox cat", input: "typed\n", out: /^typed$/m },
    { run: terminal("docker run --rm -it busybox sh -c 'tty; exit 3'"), code: 3, out: /\/dev\/pts\/0/ },
    { run: terminal("docker run --rm -it busybox sh"), code: 4, input: "echo $((40 + 2))\nexit 4\n", out: /^42/m },
    { run: "docker run --rm busybox /nothing", code: 127, err: /no such file|not found|cannot start/i },
    { run: "docker run --rm nothing.example:1/of/this:name", code: 125, err: /Unable to find image[\s\S]*nothing\.example/ },
    { run: "docker run --rm --name 'a b' busybox true", code: 125, err: /Invalid container name|invalid/i },
    { run: "docker run --rm -m 1m busybox true", code: 125, err: /Minimum memory limit allowed is 6MB/ },
    { run: "docker run --rm -e A=1 -w /tmp -u nobody --hostname h --label l=1 busybox sh -c 'echo $A $(pwd) $(id -un) $(hostname)'", out: /^1 \/tmp nobody h$/m },
    { run: "docker run --rm --read-only --tmpfs /t busybox sh -c 'touch /x 2>/dev/null || touch /t/x && echo kept out'", out: /kept out/ },
    { run: "docker run --rm --entrypoint '' busybox echo bare", out: /^bare$/m },
    { run: "docker run --rm --init busybox ps -o pid,args", out: /1 .*init/ },
    { run: "docker run --rm --ulimit nofile=100:200 busybox sh -c 'ulimit -n'", out: /^100$/m },
    { run: "docker run --rm --add-host db:192.0.2.7 --dns 192.0.2.53 busybox cat /etc/hosts /etc/resolv.conf", out: /192\.0\.2\.7\s+db[\s\S]*192\.0\.2\.53/ },
    { run: "docker run --rm --network none busybox ip -o addr", out: /^\d+: lo/m },
    { run: "docker run --rm --cidfile id busybox true && cat id", out: id },
    { run: "docker run --rm --cidfile id busybox true", code: 125, err: /ID file found/ },
    { run: "printf 'A=1\\n# comment\\nHOST\\nB= two words \\n' > environment && HOST=here docker run --rm --env-file environment -e A=own -e HOST busybox env", out: /^A=own\nHOST=here\nB= two words $/m },
    { run: "printf 'a=b\\nc\\n' > labels && docker create --label-file labels --label c=d --name labelled busybox && docker inspect --format '{{json .Config.Labels}}' labelled && docker rm labelled", out: /^\{"a":"b","c":"d"\}$/m },
    { run: "docker run --rm --gpus all busybox true", code: 125, err: /could not select device driver ""/ },
    { run: "docker run --rm --cgroupns private busybox cat /proc/self/cgroup", out: /:\/$/m },
    { run: "docker run --rm --cgroupns host busybox cat /proc/self/cgroup", out: /[0-9a-f]{64}$/m },
    { run: "docker run --rm -m 64m --oom-kill-disable busybox echo spared", out: /^spared$/m },
    { run: "docker run --rm --device /dev/null:/dev/nil:rw busybox sh -c 'test -c /dev/nil && echo > /dev/nil'" },
    { run: "docker run --rm --device /dev/nothing busybox true", code: 125, err: /\/dev\/nothing/ },
    { run: "docker run --rm --device-cgroup-rule 'c 1:3 rwm' busybox true" },
    { run: "docker run --rm --security-opt no-new-privileges busybox grep NoNewPrivs /proc/self/status", out: /\t1$/m },
    { run: "docker run --rm --security-opt seccomp=unconfined --security-opt label=disable busybox grep Seccomp: /proc/self/status", out: /\t0$/m },
    { run: `printf '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO"}]}' > seccomp.json && docker run --rm --security-opt seccomp=seccomp.json busybox mkdir /x`, code: 1, err: /not permitted/ },
    { run: "docker run --rm --security-opt nonsense busybox true", code: 125, err: /--security-opt/ },
    { run: "docker run --rm --cap-drop ALL --cap-add NET_BIND_SERVICE busybox grep CapEff /proc/self/status", out: /0000000000000400$/m },
    { run: "docker run --rm --cap-add NOTHING busybox true", code: 125, err: /NOTHING/ },
    { run: "docker run --rm --privileged busybox sh -c 'grep Seccomp: /proc/self/status; test -c /dev/kmsg && echo device'", out: /\t0\ndevice$/m },
    { run: "docker run --rm --sysctl net.ipv4.ip_default_ttl=33 busybox cat /proc/sys/net/ipv4/ip_default_ttl", out: /^33$/m },
    { run: "docker run --rm --sysctl net.ipv4.nonsense=1 busybox true", code: 125, err: /nonsense/ },
    { run: "docker run --rm --shm-size 2m busybox df -k /dev/shm", out: /^shm +2048 /m },
    { run: "docker run --rm --ipc none busybox test -e /dev/shm", code: 1 },
    { run: "docker run --rm --uts host --pid host busybox sh -c 'test $$ != 1 && hostname'", out: /^\S+$/m },
    { run: "docker run --rm --cpus 0.5 -c 512 --cpuset-cpus 0 --pids-limit 20 -m 64m --memory-reservation 32m busybox grep Cpus_allowed_list /proc/self/status", out: /\t0$/m },
    { run: "docker run --rm --cpus 9999 busybox true", code: 125, err: /Range of CPUs is from 0\.01 to/ },
    { run: "docker run --rm --cpuset-cpus 9999 busybox true", code: 125, err: /Requested CPUs are not available/ },
    { run: "docker run --rm --oom-score-adj 500 busybox cat /proc/self/oom_score_adj", out: /^500$/m },
    { run: "docker run --rm -u 1:2 --group-add 42 --group-add users busybox id", out: /^uid=1\(daemon\) gid=2 groups=2,42,100\(users\)$/m },
    { run: "docker run --rm --pull never nothing:x true", code: 125, err: /No such image: nothing:x/ },
    { run: "docker run --rm --platform linux/amd64 busybox true", on: "x64" },
    { run: "docker run --rm --pull never --platform linux/riscv64 busybox true", code: 125, err: /does not match the specified platform/ },
    { run: "docker run --rm --restart always busybox true", code: 125, err: /--restart and --rm/ },
    { run: "docker run --restart nonsense busybox true", code: 125, err: /invalid restart policy/ },
    { run: "docker run --name again --restart on-failure:2 -d busybox false && docker wait again", out: /^1$/m },
    { run: "docker inspect --format '{{.RestartCount}} {{.State.Status}}' again", out: /^2 exited$/m, isEventual: true },
    { run: "docker rm again" },
    { run: "docker run --rm --runtime nothing busybox true", code: 125, err: /unknown or invalid runtime name: nothing/ },
    { run: "docker run --rm --dns-search example.org --dns-option ndots:3 -h h --domainname d.example busybox sh -c 'hostname -f; cat /etc/resolv.conf'", out: /^h\.d\.example\n[\s\S]*search example\.org\noptions ndots:3$/m },
    { run: "docker run --rm -a stdout busybox sh -c 'echo out; echo err >&2'", out: /^out$/m, err: /^$/ },
    { run: "docker run --rm --tmpfs /t:size=1m,mode=700 busybox sh -c 'stat -c %a /t; df -k /t'", out: /^700\n[\s\S]* 1024 / },
    { run: "docker run --rm --userns host --annotation a.b/c=d busybox true", cli: 24 },
    { run: "docker run --rm --stop-signal INT --stop-timeout 7 --no-healthcheck --mac-address 02:00:00:00:00:09 busybox cat /sys/class/net/eth0/address", out: /^02:00:00:00:00:09$/m },
    { run: "docker run --rm --ip 172.17.0.99 busybox true", code: 125, err: /user defined networks|user-defined networks/, cli: 24 },
    { run: "docker run --rm -w relative busybox true", code: 125, err: /absolute path/ },
    { run: "docker run --rm -h 'bad host' busybox true", code: 125, err: /invalid hostname/ },
    { run: "docker run --rm --isolation hyperv busybox true", code: 125, err: /isolation/ },
    { run: "docker run --rm --network nothing busybox true", code: 125, err: /network nothing not found/ },
    { run: terminal("docker run --rm -it --detach-keys ctrl-x,d busybox sh -c 'stty size; echo done'"), out: /done/ },
  ],
  mounts: [
    { run: "mkdir -p source && echo f > source/f && docker run --rm --mount type=bind,src=$PWD/source,dst=/m,readonly busybox sh -c 'cat /m/f; touch /m/g'", code: 1, out: /^f$/m, err: /Read-only/ },
    { run: "docker run --rm --mount type=bind,src=/nothing/here,dst=/m busybox true", code: 125, err: /bind source .*\/nothing\/here.* does not exist/ },
    { run: "docker run --rm -v $PWD/made:/m busybox true && test -d made" },
    { run: "docker run --rm -v $PWD/source:/m:ro,rslave busybox touch /m/g", code: 1, err: /Read-only/ },
    { run: "docker run --rm -v relative:relative busybox true", code: 125, err: /invalid/ },
    { run: "docker run --rm --mount type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=1770 busybox sh -c 'stat -c %a /t; df -k /t'", out: /^1770\n[\s\S]* 1024 / },
    { run: "docker run --rm --mount type=volume,src=labelled,dst=/etc,volume-label=a=b,volume-nocopy busybox ls -A /etc && docker volume inspect --format '{{.Labels}}' labelled && docker volume rm labelled", out: /^map\[a:b\]$/m },
    { run: "docker run --rm --mount type=volume,src=part,dst=/v busybox mkdir /v/in && docker run --rm --mount type=volume,src=part,dst=/v,volume-subpath=in busybox touch /v/x && docker run --rm -v part:/v busybox ls /v/in", out: /^x$/m, cli: 26 },
    { run: "docker run --rm --mount type=volume,src=part,dst=/v,volume-subpath=../up busybox true", code: 125, err: /subpath/, cli: 26 },
    { run: "docker run --rm -v /anonymous busybox true && docker volume rm -f part && docker volume ls -q", out: /^(part\n)?$/ },
    { run: "docker run --rm --volume-driver nonsense -v some:/v busybox true", code: 125, err: /driver "nonsense"/ },
    { run: "docker run --rm --volumes-from nothing busybox true", code: 125, err: /No such container: nothing/ },
  ],
  "a container that stays": [
    { run: "docker run -d --name web -p 127.0.0.1:8081:80 -v data:/data --restart unless-stopped busybox sh -c 'mkdir -p /w; echo page > /w/index.html; echo started; httpd -f -p 80 -h /w'", out: id },
    { run: "docker ps --format '{{.Names}} {{.Image}} {{.State}} {{.Ports}}'", out: /^web busybox running 127\.0\.0\.1:8081->80\/tcp$/m },
    { run: "docker ps -q --no-trunc --filter name=^/we --filter status=running", out: id },
    { run: "docker ps --filter colour=blue", code: 1, err: /invalid filter/ },
    { run: "docker port web", out: /^80\/tcp -> 127\.0\.0\.1:8081$/m },
    { run: "curl -sf http://127.0.0.1:8081/", out: /^page$/m, isEventual: true },
    { run: "docker run --rm --link web:alias busybox wget -qO- http://alias/", out: /^page$/m },
    { run: "docker inspect --format '{{.State.Status}} {{.HostConfig.RestartPolicy.Name}} {{(index .Mounts 0).Name}} {{.Config.Image}}' web", out: /^running unless-stopped data busybox$/m },
    { run: "docker inspect nothing", code: 1, err: /No such object/i },
    { run: "docker logs web", out: /^started$/m },
    { run: "docker logs -t --tail 1 web", out: /^\d{4}-\d\d-\d\dT[\d:.]+Z started$/m },
    { run: "timeout 2 docker logs -f web; test $? = 124", out: /^started$/m },
    { run: "docker top web", out: /httpd -f/ },
    { run: "docker top web -o pid,comm", out: /PID +COMMAND/ },
    { run: "docker stats --no-stream --format '{{.Name}} {{.PIDs}}'", out: /^web [1-9]/m },
    { run: "docker diff web", out: /^A \/w\/index\.html$/m },
    { run: "docker exec web cat /w/index.html", out: /^page$/m },
    { run: "docker exec -i web sh -c 'cat > /w/typed'", input: "typed in\n" },
    { run: "docker exec -e B=2 -w /w -u nobody web sh -c 'echo $B $(pwd) $(id -un) $(cat typed)'", out: /^2 \/w nobody typed in$/m },
    { run: terminal("docker exec -it web sh -c 'tty; exit 5'"), code: 5, out: /\/dev\/pts\// },
    { run: "docker exec web sh -c 'exit 9'", code: 9 },
    { run: "docker exec -d web touch /w/detached && until docker exec web test -e /w/detached; do :; done" },
    { run: "docker exec web /nothing", code: 127, err: /not found|no such file/i },
    { run: "docker cp web:/w/index.html - | tar xO", out: /^page$/m },
    { run: `echo local > ${home}/local && docker cp ${home}/local web:/w/copied && docker exec web cat /w/copied`, out: /^local$/m },
    { run: `docker cp web:/w ${home}/back && cat ${home}/back/copied`, out: /^local$/m },
    { run: "docker cp web:/nothing -", code: 1, err: /(Could not find the file|No such|nothing)/i },
    { run: "docker pause web && docker ps --format '{{.Status}}'", out: /\(Paused\)$/m },
    { run: "docker exec web true", code: 1, err: /paused/ },
    { run: "docker unpause web", out: /^web$/m },
    { run: "docker update --memory 64m --pids-limit 50 web && docker inspect --format '{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}}' web", out: /^67108864 50$/m },
    { run: "docker rename web site && docker rename site web" },
    { run: "docker restart -t 1 web && docker inspect --format '{{.State.Running}}' web", out: /^true$/m },
    { run: "docker run -d --name web busybox true", code: 125, err: /Conflict\. The container name "\/web" is already in use/ },
    { run: "docker run -d --name taken -p 127.0.0.1:8081:80 busybox true", code: 125, err: /port is already allocated/ },
    { run: "docker rm taken" },
    { run: "docker run -d --name ports -p 8090-8091:80-81 -p 9000:9000/udp -p 127.0.0.1::82 -P --expose 7000 busybox sleep 1000 && docker port ports", out: /^80\/tcp -> 0\.0\.0\.0:8090$/m },
    { run: "docker port ports 7000/tcp", out: /^0\.0\.0\.0:\d+$/m },
    { run: "docker port ports 82", out: /^127\.0\.0\.1:\d+$/m },
    { run: "docker port ports 99", code: 1, err: /No public port '99/ },
    { run: "docker ps --filter publish=8091 --filter expose=9000/udp --filter ancestor=busybox --filter network=bridge --format '{{.Names}}'", out: /^ports$/m },
    { run: "docker ps --filter before=ports --filter volume=data --format '{{.Names}}'", out: /^web$/m },
    { run: "docker ps -n 1 --format '{{.Names}}' && docker ps -l -q --no-trunc && docker ps -as --filter name=ports --format '{{.Size}}'", out: /^ports\n[0-9a-f]{64}\n0B \(virtual / },
    { run: "docker ps --format json --filter name=web", out: /"Names":"web"/, cli: 23 },
    { run: "docker rm -f ports", out: /^ports$/m },
    { run: "docker run --rm --volumes-from web:ro busybox touch /data/x", code: 1, err: /Read-only/ },
    { run: "docker run --rm --pid container:web --network container:web busybox sh -c 'ps; wget -qO- http://127.0.0.1/'", out: /httpd -f[\s\S]*^page$/m },
    { run: "docker run --rm --ipc container:web busybox true", code: 125, err: /shareable/i },
    { run: "docker inspect --type volume --format '{{.Name}}' data && docker inspect --type network --format '{{.Driver}}' bridge && docker inspect --type image --format '{{.Os}}' busybox", out: /^data\nbridge\nlinux$/m },
    { run: "docker inspect --type container data", code: 1, err: /No such container: data/ },
    { run: "docker inspect --size --format '{{.SizeRw}} {{.SizeRootFs}}' web", out: /^[1-9]\d* [1-9]\d+$/m },
    { run: "docker run --name told --label l=1 -e E=2 --log-opt labels=l --log-opt env=E --log-opt max-size=1m --log-opt max-file=2 busybox echo x && docker logs --details told && docker rm told", out: /^(E=2,l=1|l=1,E=2) x$/m },
    { run: "docker run --name told --log-driver local busybox echo kept && docker logs told && docker rm told", out: /^kept\nkept\ntold$/m },
    { run: "docker run --name told --log-driver none busybox echo x && docker logs told", code: 1, out: /^x$/m, err: /logs|logging/ },
    { run: "docker rm told" },
    { run: "docker run --rm --log-driver nonsense busybox true", code: 125, err: /nonsense/ },
    { run: "docker run --rm --log-opt nonsense=1 busybox true", code: 125, err: /log.opt(ion)? ["']nonsense["']/ },
    { run: "docker logs --since 1h --until 0s -n 5 web", out: /^started$/m },
    { run: "docker logs --since 0s web", out: /^$/ },
    { run: "docker logs nothing", code: 1, err: /No such container: nothing/ },
    { run: "docker stats --no-stream --no-trunc -a --format json", out: /"Name":"web"/, cli: 23 },
    { run: "docker exec --privileged web grep CapEff /proc/self/status", out: /000001f/ },
    { run: "printf 'F=file\\n' > environment && docker exec --env-file environment -e E=own -u 1:2 -w /tmp web sh -c 'echo $F $E $(id -u):$(id -g) $(pwd)'", out: /^file own 1:2 \/tmp$/m },
    { run: "docker exec -u nosuch web true", code: 126, err: /nosuch/ },
    { run: "docker exec --detach-keys nonsense-x web true", code: 1, err: /nonsense-x/ },
    { run: "docker exec -it web true", code: 1, err: /not a TTY/ },
    { run: "docker exec nothing true", code: 1, err: /No such container: nothing/ },
    { run: "tar c source | docker cp - web:/tmp && docker exec web cat /tmp/source/f", out: /^f$/m },
    { run: "ln -sfn source link && docker cp link web:/w/as-is && docker cp -L link web:/w/followed && docker exec web sh -c 'readlink /w/as-is; cat /w/followed/f'", out: /^source\nf$/m },
    { run: "docker exec web ln -s index.html /w/l && docker cp web:/w/l - | tar tv && docker cp -L web:/w/l - | tar tv", out: /^l[\s\S]*^-/m },
    { run: "chown 7:8 source/f && docker cp -a source/f web:/w/owned && docker exec web stat -c %u:%g /w/owned", out: /^7:8$/m },
    { run: "docker cp web:/w web:/x", code: 1, err: /between containers/ },
    { run: "docker cp source web:/nothing/deeper/", code: 1, err: /nothing/ },
    { run: "docker cp source nothing:/", code: 1, err: /No such container: nothing/ },
    { run: "docker update --cpus 0.5 --cpuset-cpus 0 --memory-reservation 32m --restart on-failure:3 web && docker inspect --format '{{.HostConfig.NanoCpus}} {{.HostConfig.CpusetCpus}} {{.HostConfig.RestartPolicy}}' web && docker exec web grep Cpus_allowed_list /proc/1/status", out: /^500000000 0 (\{on-failure 3\}|map\[MaximumRetryCount:3 Name:on-failure\])\n.*\t0$/m },
    { run: "docker update --memory 1m web", code: 1, err: /Minimum memory limit allowed is 6MB/ },
    { run: "docker update --restart nonsense web", code: 1, err: /invalid restart policy/ },
    { run: "docker rename web 'a b'", code: 1, err: /Invalid container name/ },
    { run: "docker kill -s NONSENSE web", code: 1, err: /NONSENSE|nonsense/ },
    { run: "docker stop -s NONSENSE web", code: 1, err: /NONSENSE|nonsense/, cli: 23 },
    { run: "docker pause web && docker pause web", code: 1, err: /paused/ },
    { run: "docker unpause web && docker unpause web", code: 1, err: /not paused/ },
    { run: "docker rm web", code: 1, err: /stop the container|running/ },
  ],
  "attach, detach, wait, signals": [
    { run: "docker run -d -i --name reader busybox sh -c 'read line; echo got $line; exit 6'", out: id },
    { run: "echo word | docker attach reader", code: 6, out: /^got word$/m },
    { run: "docker start -a -i reader", code: 6, input: "again\n", out: /^got again$/m },
    { run: "docker rm reader" },
    { run: "docker run -d -t -i --name shell busybox sh", out: id },
    { run: `(sleep 1; printf '\\020\\021') | ${terminal("docker attach shell")} ; docker inspect --format '{{.State.Running}}' shell`, out: /read escape sequence[\s\S]*true/ },
    { run: "(sleep 0.5; docker kill -s KILL shell >/dev/null) & docker wait shell", out: /^137$/m },
    { run: "docker start shell && docker stop -t 0 shell && docker stop shell && docker rm shell" },
    { run: "docker create --name made busybox echo made && docker start -a made && docker rm made", out: /^made$/m },
    { run: "docker kill nothing", code: 1, err: /No such container/ },
    { run: "docker create --name first busybox && docker start first nothing", code: 1, out: /^first$/m, err: /No such container: nothing/ },
    { run: "docker rm first; docker rm -f nothing; docker rm nothing", code: 1, err: /No such container: nothing/ },
    { run: "docker run -d --name ender busybox sh -c 'until test -e /go; do sleep 0.05; done; echo gone; exit 4'", out: id },
    { run: "(until docker exec ender touch /go; do :; done) & echo ignored | docker attach --no-stdin ender", code: 4, out: /^gone$/m },
    { run: "docker rm ender" },
    { run: "docker run -d -i -t --name shell busybox sh", out: id },
    { run: `(sleep 1; printf '\\030d') | ${terminal("docker attach --detach-keys ctrl-x,d --sig-proxy=false shell")} ; docker inspect --format '{{.State.Running}}' shell`, out: /read escape sequence[\s\S]*true/ },
    { run: "docker attach --detach-keys nonsense-x shell </dev/null", code: 1, err: /./ },
    { run: "docker kill shell >/dev/null; docker wait shell && docker rm shell", out: /^137$/m },
    { run: "docker run -d --name signalled busybox sh -c 'trap \"echo got it; exit 3\" USR1; while :; do sleep 0.05; done'", out: id },
    { run: "docker attach signalled & sleep 1; kill -USR1 $!; wait $!", code: 3, out: /^got it$/m },
    { run: "docker rm signalled" },
    { run: "docker run --name old --label keep=yes busybox true && docker container prune -f --filter until=1h && docker container prune -f --filter label!=keep=yes && docker rm old", out: /^old$/m },
    { run: "docker run --name old --label keep=no busybox true && docker container prune -f --filter label=keep=no", out: id },
    { run: "docker container prune -f --filter nonsense=1", code: 1, err: /invalid filter/ },
  ],
  "health and events": [
    { run: "docker run -d --name well --health-cmd true --health-interval 200ms busybox sleep 1000", out: id },
    { run: "docker ps --filter health=healthy --format '{{.Names}}'", out: /^well$/m, isEventual: true },
    { run: "docker rm -f well", out: /^well$/m },
    { run: "docker events --since 10m --until 0s --filter container=well --filter event=die --filter event=create --filter event=destroy --format '{{.Action}}'", out: /^create[\s\S]*die[\s\S]*destroy$/m, isEventual: true },
    { run: "docker run -d --name ill --health-cmd 'echo bad; false' --health-interval 100ms --health-retries 2 --health-timeout 5s --health-start-period 0s busybox sleep 1000", out: id },
    { run: "docker inspect --format '{{.State.Health.Status}} {{(index .State.Health.Log 0).Output}}' ill", out: /^unhealthy bad/m, isEventual: true },
    { run: "docker rm -f ill && docker system events --since 10m --until 0s --filter type=container --filter container=ill --format '{{.Action}}'", out: /health_status: unhealthy[\s\S]*destroy/, isEventual: true },
    { run: "docker events --since 10m --until 0s --filter volume=data --format '{{.Type}} {{.Action}}'", out: /^volume create\n[\s\S]*volume mount$/m, isEventual: true },
    { run: "docker events --since 10m --until 0s --filter image=busybox --filter label=keep=yes --format '{{json .}}'", out: /"from":"busybox".*"keep":"yes"/, isEventual: true },
    { run: "docker events --since nonsense", code: 1, err: /nonsense/ },
    { run: "docker events --until 0s --filter nonsense=1", code: 1, err: /invalid filter/ },
  ],
  build: [
    { run: `docker build -t built --build-arg WHAT=argument --label by=tour ${context}`, out: /Step 1\/\d+ : FROM busybox[\s\S]*Successfully tagged built:latest/ },
    { run: "docker run --rm built", out: /^made of argument file$/m },
    { run: `docker build -t built --build-arg WHAT=argument --label by=tour ${context}`, out: /Using cache/ },
    { run: `docker build -q ${context}`, out: /^sha256:[0-9a-f]{64}$/m },
    { run: "printf 'FROM busybox\\nRUN exit 3\\n' | docker build -", code: 3, err: /returned a non-zero code: 3/ },
    { run: "printf 'NONSENSE\\n' | docker build -", code: 1, err: /NONSENSE|unknown instruction/i },
    { run: `printf 'FROM busybox\\nRUN echo from stdin\\n' | docker build -t stdin - && docker rmi stdin`, out: /^from stdin$/m },
    { run: `printf 'FROM busybox\\nCOPY file /x\\nRUN cat /x\\n' | docker build -f - ${context}`, out: /^file$/m },
    { run: `tar c -C ${context} . | docker build -q -`, out: /^sha256:[0-9a-f]{64}$/m },
    { run: `tar cz -C ${context} . | docker build -q -f Dockerfile -`, out: /^sha256:[0-9a-f]{64}$/m },
    { run: `printf 'FROM busybox AS one\\nRUN echo 1\\nFROM busybox AS two\\nRUN exit 9\\n' > ${context}/Other && docker build -f ${context}/Other --target one --iidfile iid ${context} && cat iid`, out: /^sha256:[0-9a-f]{64}$/m },
    { run: `docker build -f ${context}/Other --target nothing ${context}`, code: 1, err: /target stage "?nothing"? could not be found/ },
    { run: `printf 'FROM busybox\\nRUN grep db /etc/hosts; df -k /dev/shm; ulimit -n; ls /sys/class/net\\n' | docker build --network none --add-host db:192.0.2.1 --shm-size 1m --ulimit nofile=100 --memory 64m --cpuset-cpus 0 --no-cache --force-rm --compress -f - ${context}`, out: /^192\.0\.2\.1\s+db\n[\s\S]* 1024 [\s\S]*\n100\nlo\n/m },
    { run: `WHAT=environment docker build --build-arg WHAT -t argued ${context} && docker run --rm argued && docker rmi argued`, out: /^made of environment file$/m },
    { run: `docker build --build-arg UNUSED=1 -q ${context}; docker build --build-arg UNUSED=1 ${context}`, out: /build-args? .*UNUSED.* not consumed|\[Warning\] One or more build-args \[UNUSED\] were not consumed/ },
    { run: `docker build --cache-from built --label more=1 --platform linux/amd64 -q ${context}`, out: /^sha256/m, on: "x64" },
    { run: "docker build nothing", code: 1, err: /nothing/ },
    { run: `docker build --pull ${context}`, code: 1, err: /busybox/ },
    { run: `docker builder build -q ${context} && docker image build -q ${context}`, out: /^(sha256:[0-9a-f]{64})\n\1$/m },
    { run: "docker builder prune -f --filter until=1h && docker builder prune -af --keep-storage 1g", out: /Total/ },
  ],
  images: [
    { run: "docker commit -m note -a me -c 'CMD [\"echo\", \"committed\"]' web kept:1", out: /^sha256:[0-9a-f]{64}$/m },
    { run: "docker run --rm kept:1", out: /^committed$/m },
    { run: "docker history --format '{{.Comment}}' kept:1", out: /^note$/m },
    { run: "docker tag kept:1 kept:2 && docker images --format '{{.Repository}}:{{.Tag}}' kept", out: /kept:1[\s\S]*kept:2|kept:2[\s\S]*kept:1/ },
    { run: "docker image inspect --format '{{.Author}} {{.Config.Cmd}} {{.Os}}' kept:1", out: /^me \[echo committed\] linux$/m },
    { run: `docker save -o ${home}/kept.tar kept:1 kept:2 && docker rmi kept:1 kept:2`, out: /Untagged: kept:1/ },
    { run: `docker load -i ${home}/kept.tar`, out: /Loaded image: kept:1/ },
    { run: "docker export web | docker import -c 'CMD [\"cat\", \"/w/index.html\"]' - flat:1 && docker run --rm flat:1", out: /^page$/m },
    { run: "docker rmi busybox", code: 1, err: /container "web" uses it|conflict/i },
    { run: "docker search nothing", code: 1, err: /Cannot search/ },
    { run: "docker history --no-trunc --format '{{.ID}} {{.CreatedBy}}' busybox && docker history -q busybox && docker history --human=false --format '{{.Size}}' busybox", out: /^sha256:[0-9a-f]{64} .*\n[0-9a-f]{12}\n\d+$/m },
    { run: "docker history nothing", code: 1, err: /No such image: nothing/ },
    { run: "docker image ls --filter reference='busy*' --filter dangling=false --format '{{.Repository}}' && docker image ls -q --no-trunc --filter until=10m busybox", out: /^busybox\nsha256:[0-9a-f]{64}$/m },
    { run: "docker image ls --filter since=busybox --filter label=by=tour --format '{{.Repository}}' && docker image ls --filter before=built --format '{{.Repository}}' busybox", out: /^built\n[\s\S]*busybox$/m },
    { run: "docker image ls --digests --format '{{.Repository}} {{.Digest}}' busybox && docker images busybox:latest -q && docker images 'skein/*' -q", out: /^busybox \S+\n[0-9a-f]{12}\n[0-9a-f]{12}$/m },
    { run: "docker images --filter nonsense=1", code: 1, err: /invalid filter/ },
    { run: "docker image inspect --platform linux/riscv64 busybox", code: 1, err: /does not match the specified platform/, cli: 28 },
    { run: "docker save --platform linux/riscv64 busybox", code: 1, err: /platform/, cli: 28 },
    { run: "docker tag nothing x:y", code: 1, err: /No such image: nothing/ },
    { run: "docker tag busybox 127.0.0.1:5000/a/b:c && docker rmi 127.0.0.1:5000/a/b:c", out: /^Untagged: 127\.0\.0\.1:5000\/a\/b:c$/m },
    { run: "docker rmi nothing", code: 1, err: /No such image: nothing/ },
    { run: "docker save nothing", code: 1, err: /No such image: nothing/ },
    { run: "docker save busybox built | tar t", out: /^manifest\.json$/m },
    { run: "docker save busybox | gzip | docker load", out: /^Loaded image: busybox:latest$/m },
    { run: "echo garbage | docker load", code: 1, err: /./ },
    { run: "tar c source | docker import -m told -c 'ENV A=1' -c 'EXPOSE 80' --platform linux/riscv64 - flat:2 && docker image inspect --format '{{.Architecture}} {{.Comment}} {{.Config.Env}}' flat:2", out: /^riscv64 told \[A=1\]$/m },
    { run: "docker commit --pause=false -c 'USER nobody' -c 'WORKDIR /w' -c 'VOLUME /vv' -c 'LABEL a=b' -c 'ENTRYPOINT [\"id\"]' -c 'CMD [\"-un\"]' web kept:3 && docker run --rm kept:3", out: /^nobody$/m },
    { run: "docker commit -c 'NONSENSE x' web", code: 1, err: /NONSENSE/ },
    { run: "docker rmi flat:2 kept:3 && docker image prune -f --filter until=1h --filter label!=a && docker image prune -f --filter nonsense=1", code: 1, err: /invalid filter/ },
    { run: "docker pull 127.0.0.1:1/nothing", code: 1, err: /127\.0\.0\.1:1/ },
    { run: "docker push nothing:x", code: 1, err: /does not exist locally/ },
    { run: "docker logout 127.0.0.1:1", out: /./ },
  ],
  volumes: [
    { run: "docker volume create --label a=b one", out: /^one$/m },
    { run: "docker volume ls --filter label=a=b -q", out: /^one$/m },
    { run: "docker volume inspect --format '{{.Driver}} {{.Labels.a}}' one", out: /^local b$/m },
    { run: "docker run --rm -v one:/v busybox sh -c 'echo kept > /v/f' && docker run --rm --mount type=volume,src=one,dst=/v,readonly busybox sh -c 'cat /v/f; touch /v/g'", code: 1, out: /^kept$/m, err: /Read-only/ },
    { run: "docker volume rm data", code: 1, err: /in use/ },
    { run: "docker volume rm one", out: /^one$/m },
    { run: "docker volume create --opt type=tmpfs --opt device=tmpfs --opt o=size=1m,uid=7 scratch && docker run --rm -v scratch:/s busybox sh -c 'stat -c %u /s; df -k /s' && docker volume inspect --format '{{.Options.o}}' scratch && docker volume rm scratch", out: /^7\n[\s\S]* 1024 [\s\S]*size=1m,uid=7\nscratch$/m },
    { run: "docker volume create --opt type=none --opt o=bind --opt device=$PWD/source bound && docker run --rm -v bound:/b busybox cat /b/f && docker volume rm bound && cat source/f", out: /^f\nbound\nf$/m },
    { run: "docker volume create --opt type=none --opt o=bind --opt device=/nothing/here bound && docker run --rm -v bound:/b busybox true", code: 125, err: /\/nothing\/here/ },
    { run: "docker volume rm bound", out: /^bound$/m },
    { run: "docker volume create --opt nonsense=1 bad", code: 1, err: /nonsense/ },
    { run: "docker volume create -d nothing bad", code: 1, err: /nothing/ },
    { run: "docker volume create 'a/b'", code: 1, err: /invalid characters/ },
    { run: "docker volume create && docker volume ls -q --filter dangling=true", out: /^([0-9a-f]{64})\n[\s\S]*^\1$/m },
    { run: "docker volume prune -f --filter label!=kept", out: id },
    { run: "docker volume ls --filter nonsense=1", code: 1, err: /invalid filter/ },
    { run: "docker volume rm -f nothing && docker volume rm nothing", code: 1, err: /no such volume/i },
    { run: "docker volume inspect nothing", code: 1, err: /no such volume/i },
  ],
  networks: [
    { run: "docker network create --subnet 10.123.0.0/24 --label a=b front", out: id },
    { run: "docker network ls --filter label=a=b --format '{{.Name}} {{.Driver}} {{.Scope}}'", out: /^front bridge local$/m },
    { run: "docker network connect --alias known --ip 10.123.0.9 front web && docker run --rm --network front busybox wget -qO- http://known/", out: /^page$/m },
    { run: "docker network inspect --format '{{range .Containers}}{{.Name}} {{.IPv4Address}}{{end}}' front", out: /^web 10\.123\.0\.9\/24$/m },
    { run: "docker network rm front", code: 1, err: /active endpoints|in use|attached/ },
    { run: "docker network disconnect front web && docker network rm front", out: /^front$/m },
    { run: "docker run -d --name pair busybox sleep 1000 && docker run --rm --network container:pair busybox hostname -i && docker rm -f pair" },
    { run: "docker network create --subnet 10.124.0.0/16 --ip-range 10.124.1.0/24 --gateway 10.124.0.254 --aux-address reserved=10.124.1.1 ranged && docker network inspect --format '{{json .IPAM.Config}}' ranged", out: /^\[\{"Subnet":"10\.124\.0\.0\/16","IPRange":"10\.124\.1\.0\/24","Gateway":"10\.124\.0\.254","AuxiliaryAddresses":\{"reserved":"10\.124\.1\.1"\}\}\]$/m },
    { run: "docker run --rm --network ranged busybox sh -c 'ip -o -4 addr show eth0; ip route'", out: /inet 10\.124\.1\.\d+\/16[\s\S]*default via 10\.124\.0\.254/ },
    { run: "docker run -d --name server --network ranged --ip 10.124.0.7 --network-alias known --mac-address 02:00:00:00:00:07 busybox sleep 1000 && docker run --rm --network ranged busybox sh -c 'nslookup known; nslookup server' && docker exec server ip addr show eth0", out: /10\.124\.0\.7[\s\S]*10\.124\.0\.7[\s\S]*02:00:00:00:00:07/ },
    { run: "docker run --rm --network ranged --ip 10.124.0.7 busybox true", code: 125, err: /Address already in use|in use/i },
    { run: "docker run --rm --network ranged --link server:linked busybox ping -c 1 -W 5 linked", out: /10\.124\.0\.7/ },
    { run: "docker network create other && docker run --rm --network name=ranged,alias=one,ip=10.124.0.8 --network other busybox ip -o -4 addr", out: /eth0 +inet 10\.124\.0\.8\/16[\s\S]*eth1 +inet /, cli: 25 },
    { run: "docker network connect --link server:friend --alias second --driver-opt com.docker.network.endpoint.sysctls=net.ipv4.conf.IFNAME.log_martians=1 other server && docker network connect other server", code: 1, err: /already exists in network/ },
    { run: "docker network disconnect -f other server && docker rm -f server && docker network rm other ranged", out: /^other\nranged$/m },
    { run: "docker network create --ipv6 --subnet fd00:9::/64 --subnet 10.125.0.0/24 six && docker run --rm --network six --ip6 fd00:9::77 busybox ip -o addr show eth0 && docker network rm six", out: /inet 10\.125\.0\.2\/24[\s\S]*inet6 fd00:9::77\/64/ },
    { run: "docker network create --internal inner && docker run --rm --network inner busybox ip route && docker network rm inner", out: /^(?![\s\S]*default)[\s\S]*\ninner\n$/ },
    { run: "docker network create --attachable -o com.docker.network.bridge.name=br-tour -o com.docker.network.driver.mtu=1400 named && ip -br link show br-tour && docker run --rm --network named busybox cat /sys/class/net/eth0/mtu && docker network rm named", out: /br-tour[\s\S]*^1400$/m },
    { run: "docker network create -d macvlan -o parent=eth0 --subnet 10.77.0.0/24 mac && docker run --rm --network mac busybox ip -o -4 addr show eth0 && docker network rm mac", out: /inet 10\.77\.0\.2\/24/ },
    { run: "docker network create -d nonsense bad", code: 1, err: /nonsense/ },
    { run: "docker network create -d overlay bad", code: 1, err: /not a swarm manager/ },
    { run: "docker network create --subnet 10.123.0.0/25 one-more && docker network create --subnet 10.123.0.0/24 overlap", code: 1, err: /Pool overlaps/ },
    { run: "docker network create one-more", code: 1, err: /already exists/ },
    { run: "docker network rm one-more && docker network create --subnet nonsense bad", code: 1, err: /nonsense/ },
    { run: "docker network create host", code: 1, err: /predefined/ },
    { run: "docker network rm bridge", code: 1, err: /pre-defined/ },
    { run: "docker network rm -f nothing && docker network rm nothing", code: 1, err: /network nothing not found/, cli: 23 },
    { run: "docker network inspect -v nothing", code: 1, err: /network nothing not found/ },
    { run: "docker network connect nothing web", code: 1, err: /network nothing not found/ },
    { run: "docker network disconnect host web", code: 1, err: /not connected|cannot be disconnected/ },
    { run: "docker network ls --filter type=builtin --filter scope=local --format '{{.Name}}' && docker network ls -q --no-trunc --filter driver=bridge --filter name=bri", out: /^bridge\nhost\nnone\n[0-9a-f]{64}$/m },
    { run: "docker network ls --filter nonsense=1", code: 1, err: /invalid filter/ },
  ],
  "the disk": [
    { run: "docker system df --format '{{.Type}} {{.TotalCount}}'", out: /^Images [1-9]\d*[\s\S]*^Containers 1$[\s\S]*^Local Volumes 1$/m },
    { run: "docker system df -v", out: /web/ },
    { run: "docker container prune -f && docker image prune -f && docker network prune -f && docker builder prune -f && docker volume prune -f" },
    { run: "docker system df -v --format '{{json .}}'", out: /"Names":"web"[\s\S]*"Name":"data"/ },
    { run: "docker system prune -f --filter until=1h && docker system prune -f --filter label=nothing", out: /Total reclaimed space: 0B\n[\s\S]*Total reclaimed space: 0B/ },
    { run: "docker system prune -f --filter nonsense=1", code: 1, err: /invalid filter/ },
  ],
  "contexts and TLS": [
    { run: "docker context create here --docker host=$DOCKER_HOST && env -u DOCKER_HOST docker --context here ps -q && docker context use here && env -u DOCKER_HOST docker ps --format '{{.Names}}' && docker context use default && docker context rm here", out: /^web$/m },
    { run: `DOCKER_HOST=tcp://127.0.0.1:2376 DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH=${certificates} docker ps --format '{{.Names}}'`, out: /^web$/m },
    { run: `DOCKER_HOST=tcp://127.0.0.1:2376 DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH=${certificates} docker run --rm -i busybox cat`, input: "through TLS\n", out: /^through TLS$/m },
    { run: `DOCKER_HOST=tcp://127.0.0.1:2376 docker --tls --tlscacert ${certificates}/ca.pem ps`, code: 1, err: /certificate|tls/i },
    { run: "DOCKER_HOST=tcp://127.0.0.1:2376 docker ps", code: 1, err: /HTTP request to an HTTPS server|malformed|EOF|reset|400/i },
    { run: "docker context create there --description one --docker host=$DOCKER_HOST && docker context export there there.context && docker context rm there && docker context import there there.context && docker context update there --description two && docker context ls --format '{{.Name}} {{.Description}}' && env -u DOCKER_HOST docker -c there ps --format '{{.Names}}' && docker context rm there", out: /^there two$[\s\S]*^web$/m },
    { run: `docker context create secure --docker host=tcp://127.0.0.1:2376,ca=${certificates}/ca.pem,cert=${certificates}/cert.pem,key=${certificates}/key.pem && env -u DOCKER_HOST docker -c secure exec web cat /w/index.html && docker context rm secure`, out: /^page$/m },
    { run: `env -u DOCKER_HOST docker -H tcp://127.0.0.1:2376 --tlsverify --tlscacert ${certificates}/ca.pem --tlscert ${certificates}/cert.pem --tlskey ${certificates}/key.pem ps --format '{{.Names}}'`, out: /^web$/m },
    { run: `env -u DOCKER_HOST docker -H tcp://127.0.0.1:2376 --tlsverify --tlscacert ${certificates}/cert.pem ps`, code: 1, err: /certificate|tls/i },
    { run: "env -u DOCKER_HOST docker -H unix:///nothing.sock ps", code: 1, err: /Cannot connect to the Docker daemon/ },
  ],
  "what is elsewhere": [
    { run: "docker plugin ls -q" },
    { run: "docker node ls", code: 1, err: /not a swarm manager/ },
    { run: "docker login -u a --password-stdin 127.0.0.1:1", input: "b", code: 1, err: /Cannot log in|refused/ },
    { run: "docker swarm init", code: 1, err: /swarmctl/ },
    { run: "docker service ls", code: 1, err: /not a swarm manager/ },
    { run: "docker secret ls", code: 1, err: /not a swarm manager/ },
    { run: "docker plugin inspect nothing", code: 1, err: /not found/ },
    { run: "docker checkpoint ls web", code: 1, err: /experimental/ },
  ],
  "the end": [
    { run: "docker stop -t 1 web && docker rm -v web && docker volume rm data && docker ps -aq && docker system prune -af --volumes", out: /Total reclaimed space/ },
  ],
};

describe("the stock docker command", function () {
  this.timeout(120_000);
  let host: ClientHost;
  let shell: HostShell;
  let version = 0;
  before(async () => {
    makeCertificates(certificates);
    for (const path of [directory, context]) mkdirSync(path, { recursive: true });
    writeFileSync(join(context, "Dockerfile"), 'FROM busybox\nARG WHAT=nothing\nCOPY file /from/\nRUN echo "made of $WHAT $(cat /from/file)" > /text\nCMD ["cat", "/text"]\n');
    writeFileSync(join(context, "file"), "file\n");
    const file = (name: string) => join(certificates, name);
    host = await ClientHost.open({ swarmdArgs: ["--docker-tcp", "127.0.0.1:2376", "--docker-tls-ca", file("ca.pem"), "--docker-tls-cert", file("server-cert.pem"), "--docker-tls-key", file("server-key.pem")] });
    shell = host.shell();
    version = Number.parseInt(await host.ok("docker version --format '{{.Client.Version}}'"), 10);
  });
  after(async () => {
    shell?.close();
    await host?.close();
  });

  /** How an answer differs from what is documented; "" where it does not. */
  async function differenceOf(stop: Stop): Promise<string> {
    const { code, stdout, stderr } = await shell.run(`cd ${directory}; export DOCKER_BUILDKIT=0; ${stop.run}`, stop.input);
    const text = stdout.replace(/\r/g, "");
    const differs = code !== (stop.code ?? 0) ? `exit code ${code}, not ${stop.code ?? 0}` : stop.out && !stop.out.test(text) ? `its output is not like ${stop.out}` : stop.err && !stop.err.test(stderr) ? `its complaint is not like ${stop.err}` : "";
    return differs && `${differs}\n--- output\n${text.slice(0, 2_000)}\n--- complaint\n${stderr.slice(0, 2_000)}`;
  }

  for (const [part, stops] of Object.entries(tour)) {
    describe(part, () => {
      for (const stop of stops.filter(({ on }) => on === undefined || on === process.arch)) {
        it(stop.run, async () => {
          if (version < (stop.cli ?? 0)) return;   // an older command has its own words for it
          let difference = await differenceOf(stop);
          if (difference && stop.isEventual) await waitFor(stop.run, async () => (difference = await differenceOf(stop)) === "", 15_000).catch(() => {});
          assert.equal(difference, "");
        });
      }
    });
  }
});
