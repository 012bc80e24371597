/**
 * A tour of the stock docker command on a host of its own: every command of its help that needs no plugin and no cluster, each compared with what
 * Docker's documentation says it answers. One line a command; the exit code is 1 when any differs.
 *
 *   npx tsx cluster-tests/clients/docker-cli.ts [PART OF A LINE …]
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { home } from "../run.js";
import { ClientHost } from "./client-host.js";

interface Stop {
  /** What is run by sh on the host, DOCKER_HOST set. */
  readonly run: string;
  readonly code?: number;                  // 0
  /** What standard output must show. */
  readonly out?: RegExp;
  readonly err?: RegExp;
  readonly input?: string;
  /** Tried again until it is as said, for what takes its time. */
  readonly isEventual?: boolean;
}

const context = join(home, "context");
const certificates = join(home, "certificates");
const id = /^[0-9a-f]{64}$/m;
/** A terminal of its own for the command. */
const terminal = (command: string): string => `script -qec ${JSON.stringify(command)} /dev/null`;

const stops: readonly Stop[] = [
  // The daemon
  { run: "docker version --format '{{.Server.APIVersion}} {{.Server.MinAPIVersion}} {{.Server.Os}}'", out: /^1\.51 1\.24 linux$/m },
  { run: "docker info --format '{{.OSType}} {{.Swarm.LocalNodeState}} {{.Driver}} {{.NCPU}}'", out: /^linux inactive \w+ \d+$/m },
  { run: "DOCKER_API_VERSION=1.24 docker ps", out: /CONTAINER ID/ },
  { run: "DOCKER_API_VERSION=1.23 docker ps", code: 1, err: /too old/ },
  // run
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
  // One that stays
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
  { run: "docker rm web", code: 1, err: /stop the container|running/ },
  // Attach, detach, wait, signals
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
  // Health, events
  { run: "docker run -d --name well --health-cmd true --health-interval 200ms busybox sleep 1000", out: id },
  { run: "docker ps --filter health=healthy --format '{{.Names}}'", out: /^well$/m, isEventual: true },
  { run: "docker rm -f well", out: /^well$/m },
  { run: "docker events --since 10m --until 0s --filter container=well --filter event=die --filter event=create --filter event=destroy --format '{{.Action}}'", out: /^create[\s\S]*die[\s\S]*destroy$/m },
  // Images
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
  { run: `DOCKER_BUILDKIT=0 docker build -t built --build-arg WHAT=argument --label by=tour ${context}`, out: /Step 1\/\d+ : FROM busybox[\s\S]*Successfully tagged built:latest/ },
  { run: "docker run --rm built", out: /^made of argument file$/m },
  { run: `DOCKER_BUILDKIT=0 docker build -t built --build-arg WHAT=argument --label by=tour ${context}`, out: /Using cache/ },
  { run: `DOCKER_BUILDKIT=0 docker build -q ${context}`, out: /^sha256:[0-9a-f]{64}$/m },
  { run: "printf 'FROM busybox\\nRUN exit 3\\n' | DOCKER_BUILDKIT=0 docker build -", code: 3, err: /returned a non-zero code: 3/ },
  { run: "printf 'NONSENSE\\n' | DOCKER_BUILDKIT=0 docker build -", code: 1, err: /NONSENSE|unknown instruction/i },
  // Volumes and networks
  { run: "docker volume create --label a=b one", out: /^one$/m },
  { run: "docker volume ls --filter label=a=b -q", out: /^one$/m },
  { run: "docker volume inspect --format '{{.Driver}} {{.Labels.a}}' one", out: /^local b$/m },
  { run: "docker run --rm -v one:/v busybox sh -c 'echo kept > /v/f' && docker run --rm --mount type=volume,src=one,dst=/v,readonly busybox sh -c 'cat /v/f; touch /v/g'", code: 1, out: /^kept$/m, err: /Read-only/ },
  { run: "docker volume rm data", code: 1, err: /in use/ },
  { run: "docker volume rm one", out: /^one$/m },
  { run: "docker network create --subnet 10.123.0.0/24 --label a=b front", out: id },
  { run: "docker network ls --filter label=a=b --format '{{.Name}} {{.Driver}} {{.Scope}}'", out: /^front bridge local$/m },
  { run: "docker network connect --alias known --ip 10.123.0.9 front web && docker run --rm --network front busybox wget -qO- http://known/", out: /^page$/m },
  { run: "docker network inspect --format '{{range .Containers}}{{.Name}} {{.IPv4Address}}{{end}}' front", out: /^web 10\.123\.0\.9\/24$/m },
  { run: "docker network rm front", code: 1, err: /active endpoints|in use|attached/ },
  { run: "docker network disconnect front web && docker network rm front", out: /^front$/m },
  { run: "docker run -d --name pair busybox sleep 1000 && docker run --rm --network container:pair busybox hostname -i && docker rm -f pair" },
  // The daemon's disk
  { run: "docker system df --format '{{.Type}} {{.TotalCount}}'", out: /^Images [1-9]\d*[\s\S]*^Containers 1$[\s\S]*^Local Volumes 1$/m },
  { run: "docker system df -v", out: /web/ },
  { run: "docker container prune -f && docker image prune -f && docker network prune -f && docker builder prune -f && docker volume prune -f" },
  // Contexts, TLS
  { run: "docker context create here --docker host=$DOCKER_HOST && env -u DOCKER_HOST docker --context here ps -q && docker context use here && env -u DOCKER_HOST docker ps --format '{{.Names}}' && docker context use default && docker context rm here", out: /^web$/m },
  { run: `DOCKER_HOST=tcp://127.0.0.1:2376 DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH=${certificates} docker ps --format '{{.Names}}'`, out: /^web$/m },
  { run: `DOCKER_HOST=tcp://127.0.0.1:2376 DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH=${certificates} docker run --rm -i busybox cat`, input: "through TLS\n", out: /^through TLS$/m },
  { run: `DOCKER_HOST=tcp://127.0.0.1:2376 docker --tls --tlscacert ${certificates}/ca.pem ps`, code: 1, err: /certificate|tls/i },
  { run: "DOCKER_HOST=tcp://127.0.0.1:2376 docker ps", code: 1, err: /HTTP request to an HTTPS server|malformed|EOF|reset|400/i },
  // What is elsewhere
  { run: "docker plugin ls -q" },
  { run: "docker node ls", code: 1, err: /not a swarm manager/ },
  { run: "docker login -u a --password-stdin 127.0.0.1:1", input: "b", code: 1, err: /Cannot log in|refused/ },
  { run: "docker stop -t 1 web && docker rm -v web && docker volume rm data && docker ps -aq && docker system prune -af --volumes", out: /Total reclaimed space/ },
];

/** A CA, the daemon's certificate for 127.0.0.1 and a client's, as DOCKER_CERT_PATH wants them. */
function makeCertificates(): void {
  mkdirSync(certificates, { recursive: true });
  const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: certificates, stdio: "ignore" });
  openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=tour", "-keyout", "ca-key.pem", "-out", "ca.pem");
  for (const [name, extension] of [["server-", "subjectAltName=IP:127.0.0.1"], ["", "extendedKeyUsage=clientAuth"]] as const) {
    writeFileSync(join(certificates, "extensions"), `${extension}\n`);
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", `/CN=tour ${name || "client"}`, "-keyout", `${name}key.pem`, "-out", "request.pem");
    openssl("x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial", "-days", "2", "-extfile", "extensions", "-out", `${name}cert.pem`);
  }
}

async function problemOf(host: ClientHost, stop: Stop): Promise<string | undefined> {
  const { code, stdout, stderr } = await host.sh(stop.run, { ...(stop.input === undefined ? {} : { input: stop.input }), timeoutMs: 60_000 });
  if (code !== (stop.code ?? 0)) return `exit code ${code} instead of ${stop.code ?? 0}\n  out: ${stdout.trim()}\n  err: ${stderr.trim()}`;
  const text = stdout.replace(/\r/g, "");
  if (stop.out && !stop.out.test(text)) return `printed ${JSON.stringify(text.slice(0, 600))} instead of ${stop.out}\n  err: ${stderr.trim()}`;
  if (stop.err && !stop.err.test(stderr)) return `complained ${JSON.stringify(stderr.slice(0, 600))} instead of ${stop.err}`;
  return undefined;
}

async function tour(parts: readonly string[]): Promise<number> {
  makeCertificates();
  mkdirSync(context, { recursive: true });
  writeFileSync(join(context, "Dockerfile"), 'FROM busybox\nARG WHAT=nothing\nCOPY file /from/\nRUN echo "made of $WHAT $(cat /from/file)" > /text\nCMD ["cat", "/text"]\n');
  writeFileSync(join(context, "file"), "file\n");
  const file = (name: string) => join(certificates, name);
  const host = await ClientHost.open({ swarmdArgs: ["--docker-tcp", "127.0.0.1:2376", "--docker-tls-ca", file("ca.pem"), "--docker-tls-cert", file("server-cert.pem"), "--docker-tls-key", file("server-key.pem")] });
  let differences = 0;
  try {
    for (const stop of stops.filter(({ run }) => parts.length === 0 || parts.some((part) => run.includes(part)))) {
      const end = Date.now() + 15_000;
      let problem = await problemOf(host, stop);
      while (problem && stop.isEventual && Date.now() < end) { await new Promise((resolve) => setTimeout(resolve, 100)); problem = await problemOf(host, stop); }
      if (problem) differences++;
      console.log(`${problem ? "DIFFERS" : "ok     "}  ${stop.run}${problem ? `\n  ${problem}` : ""}`);
    }
  } finally { await host.close(); }
  console.log(differences === 0 ? "All as documented." : `${differences} differ.`);
  return differences === 0 ? 0 : 1;
}

process.exitCode = await tour(process.argv.slice(2));
