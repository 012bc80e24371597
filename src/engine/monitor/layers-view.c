#define _GNU_SOURCE
#include "layers.h"
#include "monitor.h"
#include "spawner.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// Mounted in a mount namespace of its own: whatever ends this process ends the mount.
int open_layers(const char *directory, const char *lower, const char *upper, const char *work) {
  char *names = strdup(lower), **list = calloc(strlen(lower) + 2, sizeof *list);
  int count = 0;
  for (char *rest = names, *name; (name = strsep(&rest, ":"));) list[count++] = name;
  char why[512] = "";
  int root = -1;
  if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) != 0) snprintf(why, sizeof why, "%s", strerror(errno));
  else if (mount_overlay("empty", directory, list, upper, work, why, sizeof why) == 0 && (root = open("empty", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) snprintf(why, sizeof why, "%s", strerror(errno));
  if (root < 0) fprintf(stderr, "cannot mount the image's layers: %s", why);
  free(names);
  free(list);
  return root;
}

static int open_in_root(int root, const char *path, int flags) {
  struct open_how how = { .flags = (unsigned long long)(flags | O_CLOEXEC), .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
  return (int)syscall(SYS_openat2, root, path, &how, sizeof how);
}

// An image may have made any of these a link, or a file: what is there stays, whatever it is.
static int make(int root, const char *path, mode_t type, const char *target) {
  char parent[PATH_MAX];
  const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
  snprintf(parent, sizeof parent, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : "/");
  int directory = open_in_root(root, parent, O_PATH | O_DIRECTORY);
  if (directory < 0) return 0;
  int failed = type == S_IFDIR ? mkdirat(directory, name, 0755) : type == S_IFLNK ? symlinkat(target, directory, name) : mknodat(directory, name, S_IFREG | 0755, 0);
  int error = errno;
  close(directory);
  errno = error;
  return failed && errno != EEXIST ? -1 : 0;
}

// init-layer DIRECTORY LOWER UPPER WORK, or init-layer ROOT: what every container needs to have in its root, and what no image should get when a
// container becomes one: places to mount over, and /.dockerenv. The first form makes them in UPPER, above the layers LOWER.
int init_layer_main(int argc, char **argv) {
  if (argc != 2 && argc != 5) return 2;
  umask(0);
  int root = argc == 5 ? open_layers(argv[1], argv[2], argv[3], argv[4]) : open(argv[1], O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) { if (argc == 2) fprintf(stderr, "cannot open %s: %s", argv[1], strerror(errno)); return 1; }
  static const struct { const char *path; mode_t type; const char *target; } entries[] = {
    { "dev", S_IFDIR, NULL }, { "dev/pts", S_IFDIR, NULL }, { "dev/shm", S_IFDIR, NULL }, { "dev/console", S_IFREG, NULL }, { "proc", S_IFDIR, NULL }, { "sys", S_IFDIR, NULL },
    { "etc", S_IFDIR, NULL }, { "etc/resolv.conf", S_IFREG, NULL }, { "etc/hosts", S_IFREG, NULL }, { "etc/hostname", S_IFREG, NULL }, { "etc/mtab", S_IFLNK, "/proc/mounts" }, { ".dockerenv", S_IFREG, NULL },
  };
  for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
    if (make(root, entries[i].path, entries[i].type, entries[i].target) != 0) { fprintf(stderr, "cannot make /%s: %s", entries[i].path, strerror(errno)); return 1; }
  }
  return 0;
}
