// `skein-monitor spawner`: starts programs for the engine, so that the large daemon never forks (a fork of Node stops its event loop for 1 ms at
// 50 MB and 100 ms at 4 GB), and mounts root filesystems by itself, without any process at all. Requests come on standard input, answers go to standard
// output, both in frames; it ends with the engine, at the end of its input. One thread, one poll loop, no state on disk.
//
//   frame     u32 size of the rest | u32 id | u8 kind | body                  little-endian; id is the caller's, echoed in the answer
//   string    u32 length | bytes | NUL
//   requests  RUN            u8 flags | u32 output limit | string cwd | list argv | u32 has environment, list | u32 length, standard input
//             KILL           u32 id of a RUN | u32 signal
//             MOUNT_OVERLAY  string target | string directory | list lower, topmost first | string upper | string work    (relative to directory)
//             UNMOUNT        list
//             REMOVE_DIRS    list                                             deepest first; what is not there is fine
//   answers   OUTPUT         u8 stream | bytes
//             END            i32 code | string why
#define _GNU_SOURCE
#include "shield.h"
#include "spawner.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { RUN = 1, KILL, MOUNT_OVERLAY, UNMOUNT, REMOVE_DIRS };
enum { OUTPUT = 1, END };
enum {
  FLAG_REPORT = 1,                     // the program leaves by itself and reports on file descriptor 3: a monitor
  FLAG_LEAVES = 2,                     // what it leaves behind is meant to hold its output: it is over when it has exited
};

#define MAX_FRAME (8u << 20)           // what is larger is read over and refused
#define MAX_WAITING (1u << 20)         // answers that the engine has not read; then programs wait with their output
#define MAX_PROGRAMS 4096
#define DRAIN_MS 1000                  // after a program's end: only what it left behind can still hold its output

struct program {
  uint32_t id;
  pid_t pid;                           // 0 once reaped
  int is_report, leaves, code;
  uint32_t limit;
  int64_t drain_until;
  int out[2];                          // stdout and stderr; a report is out[0]
  uint32_t sent[2];
  int in;
  char *input;
  size_t input_length, input_at;
  struct program *next;
};

struct buffer { char *bytes; size_t at, length, capacity; };

static struct program *programs;
static unsigned program_count;
static struct buffer answers;
static sigset_t no_signals;
static char **shielded_environment;    // this process's, with what says that the shield is raised
static int home = -1;                  // where it was started: programs start there unless told otherwise

static int64_t monotonic_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void append(struct buffer *b, const void *bytes, size_t count) {
  if (b->at > 0 && b->length + count > b->capacity) {
    memmove(b->bytes, b->bytes + b->at, b->length - b->at);
    b->length -= b->at;
    b->at = 0;
  }
  if (b->length + count > b->capacity) {
    size_t capacity = b->capacity ? b->capacity : 64 * 1024;
    while (capacity < b->length + count) capacity *= 2;
    b->bytes = realloc(b->bytes, capacity);
    if (!b->bytes) _exit(1);           // the engine starts another
    b->capacity = capacity;
  }
  memcpy(b->bytes + b->length, bytes, count);
  b->length += count;
}

static void append_u32(struct buffer *b, uint32_t value) { append(b, &value, 4); }

static void answer_output(uint32_t id, uint8_t stream, const char *bytes, size_t count) {
  append_u32(&answers, (uint32_t)(4 + 1 + 1 + count));
  append_u32(&answers, id);
  append(&answers, &(uint8_t){ OUTPUT }, 1);
  append(&answers, &stream, 1);
  append(&answers, bytes, count);
}

static void answer_end(uint32_t id, int32_t code, const char *why) {
  size_t length = strlen(why);
  append_u32(&answers, (uint32_t)(4 + 1 + 4 + 4 + length + 1));
  append_u32(&answers, id);
  append(&answers, &(uint8_t){ END }, 1);
  append(&answers, &code, 4);
  append_u32(&answers, (uint32_t)length);
  append(&answers, why, length + 1);
}

// ---- reading a request: every length is checked; after the first that does not fit, `bad` stays set ----

struct reader { const char *at, *end; int bad; };

static uint32_t read_u32(struct reader *r) {
  uint32_t value = 0;
  if (r->bad || r->end - r->at < 4) { r->bad = 1; return 0; }
  memcpy(&value, r->at, 4);
  r->at += 4;
  return value;
}

static uint8_t read_u8(struct reader *r) {
  if (r->bad || r->end - r->at < 1) { r->bad = 1; return 0; }
  return (uint8_t)*r->at++;
}

// Valid as long as the frame is; it ends with a NUL and has none inside.
static char *read_string(struct reader *r) {
  uint32_t length = read_u32(r);
  if (r->bad || (size_t)(r->end - r->at) < (size_t)length + 1 || r->at[length] != 0 || memchr(r->at, 0, length)) { r->bad = 1; return ""; }
  char *text = (char *)r->at;
  r->at += length + 1;
  return text;
}

// To be freed; ends with NULL.
static char **read_list(struct reader *r) {
  uint32_t count = read_u32(r);
  if (r->bad || count > (size_t)(r->end - r->at) / 5) { r->bad = 1; count = 0; }   // a string takes at least 5 bytes
  char **list = calloc(count + 1, sizeof *list);
  if (!list) _exit(1);
  for (uint32_t i = 0; i < count; i++) list[i] = read_string(r);
  return list;
}

// ---- programs ----

static void forget_input(struct program *p) {
  if (p->in >= 0) close(p->in);
  p->in = -1;
  free(p->input);
  p->input = NULL;
}

// vfork: the child borrows this process's memory until it runs the program, so nothing is copied; it must not return from here, and touches no more
// than it has to. Returns 0 and the errno in `failure` if the program cannot be run.
static pid_t spawn(const char *cwd, char *const *argv, int words, char *const *environment, int is_report, int in, int out, int err, volatile int *failure) {
  pid_t self = getpid();
  pid_t pid = vfork();
  if (pid != 0) {
    if (pid < 0) *failure = errno;
    else if (*failure) waitpid(pid, NULL, 0);
    return *failure ? 0 : pid;
  }
  for (int s = 1; s < NSIG; s++) signal(s, SIG_DFL);       // what is ignored here would stay ignored there
  sigprocmask(SIG_SETMASK, &no_signals, NULL);
  // A program has nobody to answer to without this process; a monitor is meant to go on.
  if (!is_report && (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != self)) _exit(127);
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  dup2(in >= 0 ? in : null, 0);
  dup2(is_report ? null : out, 1);
  dup2(is_report ? null : err, 2);
  if (is_report && out == 3) fcntl(3, F_SETFD, 0); else if (is_report) dup2(out, 3);
  if (words > 0) raise_shield(argv);
  if (!cwd[0] || chdir(cwd) == 0) execvpe(argv[words], argv + words, environment);
  *failure = errno;
  _exit(127);
}

static void start_program(uint32_t id, struct reader *r) {
  uint8_t flags = read_u8(r);
  int is_report = (flags & FLAG_REPORT) != 0;
  if (is_report) want_warmth();
  uint32_t limit = read_u32(r);
  char *cwd = read_string(r);
  char **argv = read_list(r);
  uint32_t has_environment = read_u32(r);
  char **environment = read_list(r);
  uint32_t input_length = read_u32(r);
  int in[2] = { -1, -1 }, out[2] = { -1, -1 }, err[2] = { -1, -1 };
  volatile int failure = 0;
  pid_t pid = 0;
  const char *refusal = NULL;
  int words = argv[0] ? shield_words(argv) : 0;
  char **inherited = words > 0 ? shielded_environment : environ;
  if (r->bad || (size_t)(r->end - r->at) != input_length || !argv[0]) refusal = "malformed request";
  else if (program_count >= MAX_PROGRAMS) refusal = "too many programs are running";
  else if ((input_length > 0 && pipe2(in, O_CLOEXEC) != 0) || pipe2(out, O_CLOEXEC) != 0 || (!is_report && pipe2(err, O_CLOEXEC) != 0)) refusal = strerror(errno);
  else if ((pid = spawn(cwd, argv, words, has_environment ? environment : inherited, is_report, in[0], out[1], err[1], &failure)) == 0) refusal = strerror(failure);
  free(argv);
  free(environment);
  int far[3] = { in[0], out[1], err[1] };
  for (int i = 0; i < 3; i++) if (far[i] >= 0) close(far[i]);
  if (refusal) {
    answer_end(id, -1, refusal);
    int near[3] = { in[1], out[0], err[0] };
    for (int i = 0; i < 3; i++) if (near[i] >= 0) close(near[i]);
    return;
  }
  struct program *p = calloc(1, sizeof *p);
  if (!p) _exit(1);
  *p = (struct program){ .id = id, .pid = pid, .is_report = is_report, .leaves = (flags & FLAG_LEAVES) != 0, .limit = limit, .out = { out[0], err[0] }, .in = in[1], .next = programs };
  for (int i = 0; i < 2; i++) if (p->out[i] >= 0) fcntl(p->out[i], F_SETFL, O_NONBLOCK);
  if (p->in >= 0) {
    fcntl(p->in, F_SETFL, O_NONBLOCK);
    p->input = malloc(input_length);
    if (!p->input) _exit(1);
    memcpy(p->input, r->at, input_length);
    p->input_length = input_length;
  }
  programs = p;
  program_count++;
}

static void read_output(struct program *p, int stream) {
  static char chunk[64 * 1024];
  ssize_t n = read(p->out[stream], chunk, sizeof chunk);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) { close(p->out[stream]); p->out[stream] = -1; return; }
  // What is beyond the limit is read all the same: a program must not wait for a reader that wants no more.
  size_t wanted = p->limit - p->sent[stream] < (size_t)n ? p->limit - p->sent[stream] : (size_t)n;
  if (wanted > 0) answer_output(p->id, (uint8_t)(p->is_report ? 3 : stream + 1), chunk, wanted);
  p->sent[stream] += (uint32_t)wanted;
}

static void write_input(struct program *p) {
  ssize_t n = write(p->in, p->input + p->input_at, p->input_length - p->input_at);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n > 0) p->input_at += (size_t)n;
  if (n <= 0 || p->input_at == p->input_length) forget_input(p);   // EPIPE: it does not want the rest; its exit code says why
}

static void reap(void) {
  int status;
  pid_t pid;
  while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
    for (struct program *p = programs; p; p = p->next) {
      if (p->pid != pid) continue;
      p->pid = 0;
      p->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      p->drain_until = monotonic_ms() + (p->leaves ? 0 : DRAIN_MS);
    }
  }
}

// A program is over when it has exited and its output has ended; a monitor, which goes on elsewhere, when its report has.
static int is_over(const struct program *p, int64_t now) {
  int is_drained = p->out[0] < 0 && p->out[1] < 0;
  return p->is_report ? is_drained : p->pid == 0 && (is_drained || now >= p->drain_until);
}

static void finish_programs(void) {
  int64_t now = monotonic_ms();
  for (struct program **at = &programs; *at;) {
    struct program *p = *at;
    if (!is_over(p, now)) { at = &p->next; continue; }
    for (int i = 0; i < 2 && !p->is_report; i++) if (p->out[i] >= 0) read_output(p, i);   // what was written since
    answer_end(p->id, p->code, "");
    forget_input(p);
    for (int i = 0; i < 2; i++) if (p->out[i] >= 0) close(p->out[i]);
    *at = p->next;
    program_count--;
    free(p);
  }
}

// ---- the loop ----

static void handle(uint32_t id, uint8_t kind, struct reader *r) {
  char why[512] = "";
  int failed = 0;
  switch (kind) {
    case RUN: start_program(id, r); return;
    case KILL: {
      uint32_t target = read_u32(r), number = read_u32(r);
      for (struct program *p = programs; p && !r->bad; p = p->next) if (p->id == target && p->pid > 0 && !p->is_report) kill(p->pid, (int)number);
      break;
    }
    case MOUNT_OVERLAY: {
      char *target = read_string(r), *directory = read_string(r);
      char **lower = read_list(r);
      want_warmth();   // a container is being made: most are started next
      char *upper = read_string(r), *work = read_string(r);
      if (!r->bad) failed = mount_overlay(target, directory, lower, upper, work, why, sizeof why);
      if (fchdir(home) != 0) _exit(1);
      free(lower);
      break;
    }
    case UNMOUNT: {
      char **list = read_list(r);
      for (int i = 0; !r->bad && list[i]; i++) failed |= unmount_all(list[i], why, sizeof why);
      free(list);
      break;
    }
    case REMOVE_DIRS: {
      char **list = read_list(r);
      for (int i = 0; !r->bad && list[i]; i++) if (rmdir(list[i]) != 0 && errno != ENOENT) { failed = 1; snprintf(why, sizeof why, "%s: %s", list[i], strerror(errno)); }
      free(list);
      break;
    }
    default: r->bad = 1;
  }
  if (r->bad) answer_end(id, -1, "malformed request"); else answer_end(id, failed ? 1 : 0, why);
}

// Requests as they come, in pieces of any size. Returns 0 at the end of the input.
static int read_requests(struct buffer *requests, uint64_t *skip) {
  char chunk[64 * 1024];
  ssize_t n = read(0, chunk, sizeof chunk);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return 1;
  if (n <= 0) return 0;
  const char *bytes = chunk;
  if (*skip > 0) {
    size_t over = *skip < (uint64_t)n ? (size_t)*skip : (size_t)n;
    *skip -= over;
    bytes += over;
    n -= (ssize_t)over;
  }
  append(requests, bytes, (size_t)n);
  for (;;) {
    size_t held = requests->length - requests->at;
    if (held < 8) break;
    uint32_t size, id;
    memcpy(&size, requests->bytes + requests->at, 4);
    memcpy(&id, requests->bytes + requests->at + 4, 4);
    if (size < 5 || size > MAX_FRAME) {
      answer_end(id, -1, size < 5 ? "malformed request" : "the request is too large");
      uint64_t frame = 4 + (size < 4 ? 4 : (uint64_t)size);
      *skip = frame > held ? frame - held : 0;
      requests->at += frame > held ? held : (size_t)frame;
      continue;
    }
    if (held < 4 + (size_t)size) break;
    struct reader r = { requests->bytes + requests->at + 9, requests->bytes + requests->at + 4 + size, 0 };
    handle(id, (uint8_t)requests->bytes[requests->at + 8], &r);
    requests->at += 4 + size;
  }
  if (requests->at == requests->length) {
    requests->at = requests->length = 0;
    if (requests->capacity > MAX_WAITING) { free(requests->bytes); *requests = (struct buffer){ 0 }; }
  }
  return 1;
}

static int write_answers(void) {
  while (answers.at < answers.length) {
    ssize_t n = write(1, answers.bytes + answers.at, answers.length - answers.at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return 1;
    if (n <= 0) return 0;
    answers.at += (size_t)n;
  }
  answers.at = answers.length = 0;
  return 1;
}

int spawner_main(int argc, char **argv) {
  (void)argv;
  if (argc != 1) return 2;
  // Neither a signal to the daemon's process group nor one to its unit ends it before the daemon itself does.
  setsid();
  for (int s = 1; s < NSIG; s++) if (s != SIGCHLD && s != SIGSEGV && s != SIGBUS && s != SIGFPE && s != SIGILL && s != SIGABRT) signal(s, SIG_IGN);
  prctl(PR_SET_NAME, "skein-spawner");
  syscall(SYS_close_range, 3u, ~0u, 0u);
  size_t variables = 0;
  while (environ[variables]) variables++;
  shielded_environment = calloc(variables + 2, sizeof *environ);
  if (!shielded_environment) return 1;
  memcpy(shielded_environment, environ, variables * sizeof *environ);
  shielded_environment[variables] = SHIELD_VARIABLE;
  home = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  sigprocmask(SIG_BLOCK, &child, NULL);
  sigemptyset(&no_signals);
  int signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
  for (int fd = 0; fd < 2; fd++) { fcntl(fd, F_SETFL, O_NONBLOCK); fcntl(fd, F_SETFD, FD_CLOEXEC); }

  start_warmth();
  struct buffer requests = { 0 };
  uint64_t skip = 0;
  static struct pollfd polled[3 + 3 * MAX_PROGRAMS];
  static struct { struct program *program; int what; } owner[3 + 3 * MAX_PROGRAMS];
  for (;;) {
    int is_full = answers.length - answers.at > MAX_WAITING, timeout = -1;
    nfds_t n = 0;
    polled[n++] = (struct pollfd){ signals, POLLIN, 0 };
    polled[n++] = (struct pollfd){ 0, is_full ? 0 : POLLIN, 0 };
    polled[n++] = (struct pollfd){ answers.at < answers.length ? 1 : -1, POLLOUT, 0 };
    for (struct program *p = programs; p; p = p->next) {
      for (int i = 0; i < 2; i++) if (p->out[i] >= 0 && !is_full) { owner[n].program = p; owner[n].what = i; polled[n++] = (struct pollfd){ p->out[i], POLLIN, 0 }; }
      if (p->in >= 0) { owner[n].program = p; owner[n].what = 2; polled[n++] = (struct pollfd){ p->in, POLLOUT, 0 }; }
      if (p->pid == 0 && !p->is_report) timeout = DRAIN_MS / 4;
    }
    if (poll(polled, n, timeout) < 0 && errno != EINTR) return 1;
    if (polled[0].revents) { struct signalfd_siginfo info; while (read(signals, &info, sizeof info) > 0) {} reap(); }
    for (nfds_t i = 3; i < n; i++) {
      if (!polled[i].revents) continue;
      if (owner[i].what == 2) write_input(owner[i].program); else read_output(owner[i].program, owner[i].what);
    }
    finish_programs();
    if (polled[1].revents && !read_requests(&requests, &skip)) return 0;
    if (!write_answers()) return 0;
  }
}
