#define _GNU_SOURCE
#include "shield.h"
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

int shield_words(char *const *argv) {
  static char self[4096];
  if (!self[0] && readlink("/proc/self/exe", self, sizeof self - 1) <= 0) return 0;
  return argv[0] && argv[1] && argv[2] && argv[3] && strcmp(argv[1], "shield") == 0 && strcmp(argv[0], self) == 0 ? 3 : 0;
}

// In a mount namespace of its own, which ends with the runtime:
// - crun refuses hosts whose cgroup v2 mount ("-": leave it) holds any controller beside v1's; it takes the v1 hierarchies once that mount is out of its
//   sight (libcrun cgroup.c, "cgroups in hybrid mode not supported").
// - A process in a container can open the runtime's file through /proc while it is being entered (CVE-2019-5736), so the runtime copies itself and runs the
//   copy, 5 ms later. From a read-only mount it need not, and says so by this variable. What fails here it does by itself.
void raise_shield(char *const *argv) {
  const char *cgroup2 = argv[2], *program = argv[3];
  if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) != 0) return;
  if (strcmp(cgroup2, "-") != 0) umount2(cgroup2, MNT_DETACH);
  if (mount(program, program, NULL, MS_BIND, NULL) == 0) mount(NULL, program, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL);
}

int shield_main(int argc, char **argv) {
  if (argc < 3) return 2;
  char *words[4] = { "", "shield", argv[1], argv[2] };
  raise_shield(words);
  putenv(SHIELD_VARIABLE);
  execv(argv[2], argv + 2);
  fprintf(stderr, "cannot run %s: %s\n", argv[2], strerror(errno));
  return 127;
}
