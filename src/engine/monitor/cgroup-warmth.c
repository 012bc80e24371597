// A runtime puts a container's first process into its control groups by writing to cgroup.procs. The first such write after a pause of some 20 ms waits for
// an RCU grace period (cgroup_threadgroup_rwsem, 5 to 15 ms); those that follow soon take 10 µs. So, when a container or a command is about to be started,
// a thread makes a write that changes nothing (this process into the group that it is in) while the runtime is still being loaded. Only for cgroup v1: on v2
// runtimes clone right into the group.
#define _GNU_SOURCE
#include "spawner.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static int wanted = -1, group = -1;

static void *keep_warm(void *unused) {
  (void)unused;
  uint64_t count;
  for (;;) {
    if (read(wanted, &count, sizeof count) < 0 && errno != EINTR) return NULL;
    if (pwrite(group, "0", 1, 0) < 0 && errno == EBADF) return NULL;   // anything else: the container waits its 10 ms
  }
}

// cgroup.procs of this process's own group in any v1 hierarchy, or -1.
static int open_own_group(void) {
  FILE *file = fopen("/proc/self/cgroup", "re");
  if (!file) return -1;
  char line[4200], path[8500];
  int found = -1;
  while (found < 0 && fgets(line, sizeof line, file)) {
    char *controllers = strchr(line, ':'), *at = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!at || at == controllers + 1) continue;                // "0::/…" is v2
    *at++ = 0;
    at[strcspn(at, "\n")] = 0;
    snprintf(path, sizeof path, "/sys/fs/cgroup/%s%s/cgroup.procs", controllers + 1, at);
    found = open(path, O_WRONLY | O_CLOEXEC);
  }
  fclose(file);
  return found;
}

void start_warmth(void) {
  group = open_own_group();
  if (group < 0) return;
  wanted = eventfd(0, EFD_CLOEXEC);
  pthread_attr_t attributes;
  pthread_t thread;
  if (wanted < 0 || pthread_attr_init(&attributes) != 0) return;
  pthread_attr_setstacksize(&attributes, 64 * 1024);
  if (pthread_create(&thread, &attributes, keep_warm, NULL) != 0) { close(wanted); wanted = -1; }
}

void want_warmth(void) {
  uint64_t one = 1;
  if (wanted >= 0 && write(wanted, &one, sizeof one) < 0) return;   // full: it is on its way anyway
}
