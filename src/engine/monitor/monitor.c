// `skein-monitor run`: starts one container through the OCI runtime and stays with it: copies its output into the log and to who is
// attached (streams.c), learns its exit code and whether it ran out of memory, writes both to the exit file and deletes it from the runtime. It has
// no parent that matters: swarmd may die, restart or be replaced meanwhile. It links statically and keeps about 0.2 MB.
// `skein-monitor exec`: the same for one command in a running container: no log, nothing to delete.
//
//   run --id ID --dir DIR --bundle DIR --exit-file FILE [--log-file FILE --log-form json|local --max-size BYTES --max-file N --compress --log-attributes JSON]
//       [--oom-file FILE] [--state-dir DIR --cgroup DIR…] [--tty] [--size ROWSxCOLUMNS] [--stdin] [--stdin-once] [--await CLIENTS] -- RUNTIME [GLOBAL FLAG…]
//   exec --id ID --dir DIR --process FILE --exit-file FILE [--tty] [--size …] [--stdin] [--stdin-once] [--await CLIENTS] -- RUNTIME [GLOBAL FLAG…]
//
// Files in DIR: monitor.json (this process), pid (from the runtime), state.json (the process, once it runs), attach.sock.
// File descriptor 3, if open: one JSON line, {"pid":…} or {"error":"…"}.
#define _GNU_SOURCE
#include "monitor.h"
#include "shield.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SYNC_FD 3
#define MAX_CGROUPS 32
#define DRAIN_MS 1000       // after the end: a process that left the container, or that an exec has left behind, could still write
#define AWAIT_MS 5000       // for clients that attached before the start; whoever announced them may have died since
#define COMPLAINT_MAX_BYTES (1024 * 1024)
#define COMPLAINT_MS 10000  // for a runtime that has said as much to end
#define LINGER_MS 600000    // for slow clients to take the last output

struct options {
  const char *id, *dir, *bundle, *process, *exit_file, *oom_file;
  struct log_settings log;
  int tty, rows, columns, keep_input, is_input_once, awaited;
  const char *state_dir;    // where the runtime notes what it knows of the container
  const char *cgroups[MAX_CGROUPS];
  int cgroup_count;
  char **runtime;           // argv prefix, ends with NULL
  int runtime_length;
};

static int64_t now_ms(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

// Field 22 of /proc/PID/stat: with the pid it names a process for good, even after the number is used again.
static unsigned long long start_time(pid_t pid) {
  char path[64], text[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  ssize_t n = read(fd, text, sizeof text - 1);
  close(fd);
  if (n <= 0) return 0;
  text[n] = 0;
  char *at = strrchr(text, ')');       // the name may hold spaces and parentheses
  if (!at) return 0;
  unsigned long long value = 0;
  for (int field = 2; at && field < 22; field++) at = strchr(at + 1, ' ');
  if (at) sscanf(at + 1, "%llu", &value);
  return value;
}

static int write_all(int fd, const char *bytes, size_t count) {
  while (count > 0) {
    ssize_t n = write(fd, bytes, count);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return -1;
    bytes += n;
    count -= (size_t)n;
  }
  return 0;
}

// Appears whole or not at all. Not synced: after a power cut nothing runs that it would tell of (docs/decisions/0019).
static int write_file(const char *path, const char *text) {
  char temporary[4096];
  snprintf(temporary, sizeof temporary, "%s.tmp", path);
  int fd = open(temporary, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return -1;
  // Cut afterwards: room that was kept (keep_room) is written over and not given back first.
  int bad = write_all(fd, text, strlen(text)) != 0 || ftruncate(fd, (off_t)strlen(text)) != 0;
  close(fd);
  if (bad) { unlink(temporary); return -1; }
  return rename(temporary, path);
}

// Room for the text that a later write_file puts there: a container that has filled the disk must not keep its own end from being written.
static void keep_room(const char *path) {
  char temporary[4096], blank[512];
  memset(blank, ' ', sizeof blank);
  snprintf(temporary, sizeof temporary, "%s.tmp", path);
  int fd = open(temporary, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return;
  write_all(fd, blank, sizeof blank);
  close(fd);
}

static void give_back_room(const char *path) {
  char temporary[4096];
  snprintf(temporary, sizeof temporary, "%s.tmp", path);
  unlink(temporary);
}

static void report(const char *text) {
  write_all(SYNC_FD, text, strlen(text));
  write_all(SYNC_FD, "\n", 1);
  close(SYNC_FD);
}

static void report_error(const char *what) {
  size_t length = strlen(what);
  char text[8192 * 6 + 64];
  if (length > 8192) { what += length - 8192; length = 8192; }
  size_t at = (size_t)sprintf(text, "{\"error\":\"");
  at += json_escape(text + at, what, length);
  strcpy(text + at, "\"}");
  report(text);
}

// The runtime must not inherit what this process ignores: ignored signals stay ignored through exec, down to the container.
static void reset_signals(void) {
  for (int s = 1; s < NSIG; s++) signal(s, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

static pid_t spawn_runtime(const struct options *o, char *const *arguments, int in, int out, int err) {
  pid_t pid = fork();
  if (pid != 0) return pid;
  reset_signals();
  int null = open("/dev/null", O_RDWR);
  dup2(in >= 0 ? in : null, 0);
  dup2(out >= 0 ? out : null, 1);
  dup2(err >= 0 ? err : null, 2);
  if (null > 2) close(null);
  close(SYNC_FD);
  char *argv[64];
  int n = 0;
  for (int i = 0; i < o->runtime_length && n < 48; i++) argv[n++] = o->runtime[i];
  for (int i = 0; arguments[i] && n < 63; i++) argv[n++] = arguments[i];
  argv[n] = NULL;
  int words = shield_words(argv);
  if (words > 0) { raise_shield(argv); putenv(SHIELD_VARIABLE); }
  execvp(argv[words], argv + words);
  fprintf(stderr, "cannot run %s: %s", argv[words], strerror(errno));
  _exit(127);
}

static int run_runtime(const struct options *o, char *const *arguments) {
  pid_t pid = spawn_runtime(o, arguments, -1, -1, -1);
  int status;
  if (pid < 0) return -1;
  while (waitpid(pid, &status, 0) < 0) if (errno != EINTR) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void delete_by_force(const struct options *o) {
  char *forced[] = { "delete", "--force", (char *)o->id, NULL };
  run_runtime(o, forced);
}

static int remove_directory(const char *path) { return rmdir(path) == 0 || errno == ENOENT ? 0 : -1; }

// What the runtime's own delete does for a container that has ended, without starting the runtime for it: its control groups go, then what the runtime noted.
// -1 if anything is not as simple as that (processes or groups are left in there): then the runtime sees to it.
static int delete_in_place(const struct options *o) {
  if (o->cgroup_count == 0 || !o->state_dir[0]) return -1;
  for (int i = 0; i < o->cgroup_count; i++) if (remove_directory(o->cgroups[i]) != 0) return -1;
  DIR *directory = opendir(o->state_dir);
  if (!directory) return errno == ENOENT ? 0 : -1;
  int failed = 0;
  for (struct dirent *entry; (entry = readdir(directory));) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    if (unlinkat(dirfd(directory), entry->d_name, 0) != 0) failed = 1;
  }
  closedir(directory);
  return failed ? -1 : remove_directory(o->state_dir);
}

// Without --force: runc's forced delete sends SIGKILL and then sleeps 100 ms whether or not anything is left to kill.
static void delete_container(const struct options *o) {
  if (delete_in_place(o) == 0) return;
  char *plain[] = { "delete", (char *)o->id, NULL };
  for (int attempt = 0; attempt < 3; attempt++) {
    if (run_runtime(o, plain) == 0) return;
    usleep(50000u << attempt);
  }
  delete_by_force(o);
}

static int is_oom_killed(const char *path) {
  if (!path[0]) return 0;
  FILE *file = fopen(path, "re");
  if (!file) return 0;
  char line[256];
  unsigned long long count = 0;
  while (fgets(line, sizeof line, file)) if (sscanf(line, "oom_kill %llu", &count) == 1) break;
  fclose(file);
  return count > 0;
}

// The runtime connects here and hands over the terminal's master end (OCI runtime, --console-socket).
static int listen_console(void) {
  struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "console.sock" };   // relative: a socket's path holds 107 bytes
  unlink(address.sun_path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 1)) return -1;
  return fd;
}

static int receive_fd(int listener) {
  int peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  if (peer < 0) return -1;
  char data[256], control[CMSG_SPACE(sizeof(int))];
  struct iovec part = { data, sizeof data };
  struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
  int fd = -1;
  if (recvmsg(peer, &message, MSG_CMSG_CLOEXEC) >= 0) {
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    if (c && c->cmsg_type == SCM_RIGHTS) memcpy(&fd, CMSG_DATA(c), sizeof fd);
  }
  close(peer);
  return fd;
}

static int parse(struct options *o, int argc, char **argv) {
  memset(o, 0, sizeof *o);
  o->id = o->dir = o->bundle = o->process = o->exit_file = o->log.path = o->log.attributes = o->oom_file = o->state_dir = "";
  o->log.max_files = 1;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--") == 0) { o->runtime = argv + i + 1; o->runtime_length = argc - i - 1; break; }
    if (strcmp(argv[i], "--tty") == 0) { o->tty = 1; continue; }
    if (strcmp(argv[i], "--stdin") == 0) { o->keep_input = 1; continue; }
    if (strcmp(argv[i], "--stdin-once") == 0) { o->is_input_once = 1; continue; }
    if (strcmp(argv[i], "--compress") == 0) { o->log.compress = 1; continue; }
    if (i + 1 >= argc) return -1;
    const char *name = argv[i], *value = argv[++i];
    if (strcmp(name, "--id") == 0) o->id = value;
    else if (strcmp(name, "--dir") == 0) o->dir = value;
    else if (strcmp(name, "--bundle") == 0) o->bundle = value;
    else if (strcmp(name, "--process") == 0) o->process = value;
    else if (strcmp(name, "--exit-file") == 0) o->exit_file = value;
    else if (strcmp(name, "--log-file") == 0) o->log.path = value;
    else if (strcmp(name, "--log-form") == 0) o->log.form = strcmp(value, "local") == 0 ? LOG_LOCAL : LOG_JSON;
    else if (strcmp(name, "--log-attributes") == 0) o->log.attributes = value;
    else if (strcmp(name, "--oom-file") == 0) o->oom_file = value;
    else if (strcmp(name, "--state-dir") == 0) o->state_dir = value;
    else if (strcmp(name, "--cgroup") == 0) { if (o->cgroup_count < MAX_CGROUPS) o->cgroups[o->cgroup_count++] = value; else return -1; }
    else if (strcmp(name, "--max-size") == 0) o->log.max_size = strtoull(value, NULL, 10);
    else if (strcmp(name, "--max-file") == 0) o->log.max_files = atoi(value);
    else if (strcmp(name, "--await") == 0) o->awaited = atoi(value);
    else if (strcmp(name, "--size") == 0) { if (sscanf(value, "%dx%d", &o->rows, &o->columns) != 2) return -1; }
    else return -1;
  }
  return o->id[0] && o->dir[0] && (o->bundle[0] || o->process[0]) && o->exit_file[0] && o->runtime_length > 0 ? 0 : -1;
}

// Leaves the daemon's session and process group, so that no signal to those reaches it.
static void detach(void) {
  if (fork() != 0) _exit(0);
  setsid();
  prctl(PR_SET_NAME, "skein-monitor");
  prctl(PR_SET_CHILD_SUBREAPER, 1);    // the runtime exits once the container runs; the container then becomes our child
  for (int s = 1; s < NSIG; s++) if (s != SIGCHLD && s != SIGSEGV && s != SIGBUS && s != SIGFPE && s != SIGILL && s != SIGABRT) signal(s, SIG_IGN);
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = 0; fd < 3; fd++) dup2(null, fd);
  if (null > 2) close(null);
  fcntl(SYNC_FD, F_SETFD, FD_CLOEXEC);
}

// Whether it takes no more for now; pages in it may be partly filled.
static int is_pipe_full(int fd) {
  int capacity = fcntl(fd, F_GETPIPE_SZ), held = 0;
  return capacity > 0 && ioctl(fd, FIONREAD, &held) == 0 && held >= capacity - capacity / 8;
}

// The end of what a runtime has said: that is where it says why.
static size_t read_tail(int fd, char *tail, size_t size) {
  static char chunk[CHUNK_BYTES];
  size_t used = 0;
  fcntl(fd, F_SETFL, O_NONBLOCK);
  for (ssize_t n; (n = read(fd, chunk, sizeof chunk)) > 0;) {
    size_t kept = (size_t)n < size ? (size_t)n : size, room = size - used;
    if (kept > room) { memmove(tail, tail + (kept - room), used - (kept - room)); used -= kept - room; }
    memcpy(tail + used, chunk + (size_t)n - kept, kept);
    used += kept;
  }
  return used;
}

// What the runtime is asked to do: `run` of a bundle, or `exec` of a process.
static void start_arguments(const struct options *o, char **arguments) {
  int n = 0;
  int is_exec = o->process[0] != 0;
  arguments[n++] = is_exec ? "exec" : "run";
  arguments[n++] = "--detach";
  if (is_exec) { arguments[n++] = "--process"; arguments[n++] = (char *)o->process; }
  else { arguments[n++] = "--bundle"; arguments[n++] = (char *)o->bundle; }
  arguments[n++] = "--pid-file"; arguments[n++] = "pid";
  if (o->tty) { arguments[n++] = "--console-socket"; arguments[n++] = "console.sock"; }
  arguments[n++] = (char *)o->id;
  arguments[n] = NULL;
}

static void copy(struct streams *streams, int *source, int stream) {
  char *room = streams_room(streams);
  ssize_t n = read(*source, room, CHUNK_BYTES);
  if (n > 0) {
    if (streams->log) log_feed(streams->log, stream, room, (size_t)n);
    streams_put(streams, stream, (size_t)n);
    return;
  }
  if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
  close(*source);                      // end of file, or EIO: the terminal's other end is gone
  if (streams->is_input_terminal && streams->input == *source) streams_close_input(streams);
  if (streams->terminal == *source) streams->terminal = -1;
  *source = -1;
}

// The container is gone, and what runs now must not wait for its slowest client: a process of its own gives those the rest.
static void linger(struct streams *streams) {
  streams_close_clients(streams, 1);
  if (streams->count == 0 || fork() != 0) return;
  static struct pollfd polled[CLIENTS_MAX + 2];
  int64_t until = now_ms(CLOCK_MONOTONIC) + LINGER_MS;
  while (streams->count > 0 && now_ms(CLOCK_MONOTONIC) < until) {
    int count = streams_poll(streams, polled);
    if (poll(polled, (nfds_t)count, 1000) > 0) streams_act(streams, polled, count);
    streams_close_clients(streams, 1);
  }
  _exit(0);
}

struct ending { int exit_code; int64_t finished_at; };

// Copies until the process has ended and its output with it.
static struct ending supervise(const struct options *o, pid_t pid, int signals, struct streams *streams, int out, int err) {
  static struct pollfd polled[3 + 2 + CLIENTS_MAX];
  struct ending ending = { 255, 0 };
  int has_exited = 0, status;
  int64_t await_until = now_ms(CLOCK_MONOTONIC) + AWAIT_MS, drain_until = 0;
  streams->awaited = o->awaited;
  for (;;) {
    // Every child is reaped: as the subreaper we also inherit whatever leaves the container's tree.
    pid_t dead;
    while ((dead = waitpid(-1, &status, WNOHANG)) > 0) {
      if (dead != pid) continue;
      has_exited = 1;
      ending.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      ending.finished_at = now_ms(CLOCK_REALTIME);
    }
    if (dead < 0 && errno == ECHILD && !has_exited) { has_exited = 1; ending.finished_at = now_ms(CLOCK_REALTIME); }
    int64_t now = now_ms(CLOCK_MONOTONIC);
    // Who attached before the start gets the very first byte.
    int is_awaiting = streams->awaited > 0 && now < await_until;
    if (has_exited && !is_awaiting) {
      if (!streams->is_final) { streams_begin_final(streams); drain_until = now + DRAIN_MS; }
      if ((out < 0 && err < 0) || now >= drain_until) break;
    }
    int may_read = !is_awaiting && streams_may_read(streams);
    polled[0] = (struct pollfd){ signals, POLLIN, 0 };
    polled[1] = (struct pollfd){ may_read ? out : -1, POLLIN, 0 };
    polled[2] = (struct pollfd){ may_read ? err : -1, POLLIN, 0 };
    int count = streams_poll(streams, polled + 3);
    // Records are written when nothing more comes just now, or 64 KiB of them have come: not one by one.
    int has_records = streams->log && streams->log->used > 0;
    int64_t timeout = has_records ? 0 : is_awaiting ? await_until - now : streams->is_final ? drain_until - now : -1;
    int ready = poll(polled, (nfds_t)(3 + count), (int)timeout);
    if (ready == 0 && has_records) log_flush(streams->log);
    if (ready <= 0) continue;
    if (polled[0].revents) { struct signalfd_siginfo info; while (read(signals, &info, sizeof info) > 0) {} }
    if (polled[1].revents) copy(streams, &out, STREAM_STDOUT);
    if (polled[2].revents) copy(streams, &err, STREAM_STDERR);
    streams_act(streams, polled + 3, count);
  }
  if (out >= 0) close(out);
  if (err >= 0) close(err);
  streams->terminal = -1;
  return ending;
}

static int run(const struct options *o) {
  static struct streams streams = { .listener = -1, .input = -1, .terminal = -1 };
  static struct log_file log;
  int is_exec = o->process[0] != 0;
  detach();
  if (chdir(o->dir) != 0) { report_error("cannot enter the container's run directory"); return 1; }

  char text[512];
  snprintf(text, sizeof text, "{\"monitorPid\":%d,\"monitorStartTime\":%llu}", (int)getpid(), start_time(getpid()));
  write_file("monitor.json", text);

  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  sigprocmask(SIG_BLOCK, &child, NULL);
  int signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);

  int in[2] = { -1, -1 }, out[2] = { -1, -1 }, err[2] = { -1, -1 }, console = -1, terminal = -1;
  if (pipe2(err, O_CLOEXEC) != 0 || (!o->tty && pipe2(out, O_CLOEXEC) != 0) || (!o->tty && o->keep_input && pipe2(in, O_CLOEXEC) != 0)) { report_error("cannot make a pipe"); return 1; }
  if (o->tty && (console = listen_console()) < 0) { report_error("cannot listen for the terminal"); return 1; }
  if (streams_listen(&streams, "attach.sock") != 0) { report_error("cannot listen for clients that attach"); return 1; }

  unlink("pid");
  if (!is_exec) keep_room(o->exit_file);
  char *start[16];
  start_arguments(o, start);
  pid_t runtime = spawn_runtime(o, start, in[0], out[1], err[1]);
  close(err[1]);
  if (out[1] >= 0) close(out[1]);
  if (in[0] >= 0) close(in[0]);

  // Nothing is read from the pipes yet: until the runtime has gone, what is in there may be its own complaint, or its container's first words, which can wait.
  // So a complaint must fit into the pipe, and a runtime that says more never ends by itself.
  int status = -1, capacity = fcntl(err[0], F_GETPIPE_SZ);
  int64_t full_since = 0;
  fcntl(err[0], F_SETPIPE_SZ, COMPLAINT_MAX_BYTES);
  for (;;) {
    if (waitpid(runtime, &status, WNOHANG) == runtime) break;
    int64_t now = now_ms(CLOCK_MONOTONIC);
    if (!is_pipe_full(err[0])) full_since = now;
    else if (now - full_since >= COMPLAINT_MS) kill(runtime, SIGKILL);
    struct pollfd wait[2] = { { signals, POLLIN, 0 }, { console, POLLIN, 0 } };
    poll(wait, 2, 1000);
    struct signalfd_siginfo info;
    while (read(signals, &info, sizeof info) > 0) {}
    if (console >= 0 && (wait[1].revents & POLLIN)) {
      terminal = receive_fd(console);
      close(console);
      console = -1;
      unlink("console.sock");
      struct winsize size = { .ws_row = (unsigned short)o->rows, .ws_col = (unsigned short)o->columns };
      if (terminal >= 0 && o->rows > 0 && o->columns > 0) ioctl(terminal, TIOCSWINSZ, &size);
    }
  }
  if (console >= 0) { close(console); unlink("console.sock"); }

  pid_t pid = 0;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
    FILE *file = fopen("pid", "re");
    if (!file || fscanf(file, "%d", &pid) != 1) pid = 0;
    if (file) fclose(file);
  }
  if (pid <= 0) {
    char complaint[8193];
    size_t length = read_tail(err[0], complaint, sizeof complaint - 1);
    if (!is_exec) { delete_by_force(o); give_back_room(o->exit_file); }
    unlink("attach.sock");
    if (length > 0) { complaint[length] = 0; report_error(complaint); }
    else report_error("the runtime failed and said nothing");
    return 1;
  }

  fcntl(err[0], F_SETPIPE_SZ, capacity);   // refused while there is more in it

  // A container that has ended already is our zombie, so its start time can still be read.
  int64_t started_at = now_ms(CLOCK_REALTIME);
  snprintf(text, sizeof text, "{\"pid\":%d,\"startTime\":%llu,\"monitorPid\":%d,\"monitorStartTime\":%llu,\"startedAtMs\":%lld}", (int)pid, start_time(pid), (int)getpid(),
    start_time(getpid()), (long long)started_at);
  write_file("state.json", text);
  report(text);

  int output = o->tty ? terminal : out[0];
  if (output >= 0) fcntl(output, F_SETFL, O_NONBLOCK);
  fcntl(err[0], F_SETFL, O_NONBLOCK);
  if (in[1] >= 0) fcntl(in[1], F_SETFL, O_NONBLOCK);
  streams.terminal = terminal;
  streams.is_input_terminal = o->tty;
  streams.is_input_once = o->is_input_once;
  streams.input = !o->keep_input ? -1 : o->tty ? terminal : in[1];
  if (!is_exec) { log_open(&log, &o->log); streams.log = &log; }
  struct ending ending = supervise(o, pid, signals, &streams, output, err[0]);
  if (!is_exec) log_finish(&log);

  snprintf(text, sizeof text, "{\"exitCode\":%d,\"oomKilled\":%s,\"finishedAtMs\":%lld,\"droppedLogLines\":%llu}", ending.exit_code, is_oom_killed(o->oom_file) ? "true" : "false",
    (long long)ending.finished_at, (unsigned long long)log.dropped);
  // A container's exit code is worth waiting for room on the disk; an exec's is in memory, and told to who is connected.
  for (int attempt = 0; write_file(o->exit_file, text) != 0 && !is_exec && attempt < 600; attempt++) sleep(1);
  streams_put_frame(&streams, FRAME_END, text, strlen(text));
  streams_send(&streams);
  unlink("attach.sock");
  streams_stop_listening(&streams);
  streams_close_clients(&streams, 1);
  if (!is_exec) delete_container(o);
  linger(&streams);
  return 0;
}

int run_main(int argc, char **argv) {
  struct options o;
  if (parse(&o, argc, argv) != 0 || !o.bundle[0]) { fprintf(stderr, "skein-monitor run: bad arguments\n"); return 2; }
  return run(&o);
}

int exec_main(int argc, char **argv) {
  struct options o;
  if (parse(&o, argc, argv) != 0 || !o.process[0]) { fprintf(stderr, "skein-monitor exec: bad arguments\n"); return 2; }
  return run(&o);
}
