#define _GNU_SOURCE
#include "monitor.h"
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

// mount-overlay TARGET DIRECTORY OPTIONS. The paths in OPTIONS are relative to DIRECTORY: mount(2) takes one page of options, which
// long paths to many layers would overflow.
int mount_overlay_main(int argc, char **argv) {
  if (argc != 4) return 2;
  if (chdir(argv[2]) != 0) { fprintf(stderr, "cannot enter %s: %s", argv[2], strerror(errno)); return 1; }
  if (mount("overlay", argv[1], "overlay", 0, argv[3]) != 0) { fprintf(stderr, "%s", strerror(errno)); return 1; }
  // What is mounted inside must not appear anywhere else.
  if (mount(NULL, argv[1], NULL, MS_PRIVATE | MS_REC, NULL) != 0) { fprintf(stderr, "%s", strerror(errno)); umount2(argv[1], MNT_DETACH); return 1; }
  return 0;
}

// unmount PATH…: what is not mounted is fine.
int unmount_main(int argc, char **argv) {
  int failed = 0;
  for (int i = 1; i < argc; i++) {
    while (umount2(argv[i], MNT_DETACH | UMOUNT_NOFOLLOW) == 0) {}
    if (errno != EINVAL && errno != ENOENT) { fprintf(stderr, "%s: %s\n", argv[i], strerror(errno)); failed = 1; }
  }
  return failed;
}

// without-cgroup2 MOUNTPOINT COMMAND…: crun refuses hosts whose cgroup v2 mount holds any controller beside v1's; it takes the v1
// hierarchies once that mount is out of its sight (libcrun cgroup.c, "cgroups in hybrid mode not supported").
int without_cgroup2_main(int argc, char **argv) {
  if (argc < 3) return 2;
  if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) != 0) { perror("without-cgroup2"); return 1; }
  umount2(argv[1], MNT_DETACH);
  execvp(argv[2], argv + 2);
  fprintf(stderr, "cannot run %s: %s\n", argv[2], strerror(errno));
  return 127;
}
