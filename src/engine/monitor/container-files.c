// files stat|read|text|write VIEW PATH: a container's files as the container sees them, with its volumes, mounts and links.
//   VIEW  --process PID STARTTIME                                        one that runs: its own mount namespace
//         --root ROOTFS [--read-only] [--mount ro|rw SOURCE SUBPATH TARGET]…
//                                                                      one that does not: what it would have mounted, for this process alone
//   stat  [--follow]              "MODE SIZE SECONDS NANOSECONDS", its directory, where it leads and what its link says, each ended by a zero
//   read  [--follow] --as NAME    the same, then a tar in which it is called NAME
//   text                          the contents of a file of some megabytes at most
//   write [--keep-kinds] [--owner UID GID]    a tar from standard input into the directory PATH
// --follow: PATH is a directory, or leads to one. Nothing of the container is run, and whatever it does meanwhile, no path leads out: the process enters
// its root, follows no link of /proc (which would lead to other processes' roots), and gives up all rights that files do not need.
#define _GNU_SOURCE
#include "monitor.h"
#include "pack.h"
#include "unpack.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

static int fail(const char *what, const char *name) {
  int error = errno;
  fprintf(stderr, "%s \"%s\": %s", what, name, strerror(error));
  return exit_code_of(error);
}

// Names below `names` (this process's own /proc/self/fd, opened before its root changed), as seen from the new root.
static void path_of(int names, int file, char *path, size_t size) {
  char number[16];
  snprintf(number, sizeof number, "%d", file);
  ssize_t length = readlinkat(names, number, path, size - 1);
  path[length > 0 ? length : 0] = 0;
}

// ---- the view ----

static int enter_root(int root) {
  return fchdir(root) != 0 || chroot(".") != 0 || chdir("/") != 0 ? fail("cannot enter", "the container's root") : 0;
}

// The pid may be another process's by now: its start time tells.
static int enter_process(const char *pid, const char *start_time) {
  char path[64], text[4096];
  snprintf(path, sizeof path, "/proc/%s", pid);
  int process = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int status = process < 0 ? -1 : openat(process, "stat", O_RDONLY | O_CLOEXEC);
  ssize_t length = status < 0 ? -1 : read(status, text, sizeof text - 1);
  if (length <= 0) { errno = ESRCH; return fail("cannot look into", "the container's process"); }
  text[length] = 0;
  char *at = strrchr(text, ')');   // the name before it may hold anything
  for (int field = 2; at && field < 22; field++) at = strchr(at + 1, ' ');
  if (!at || strtoull(at, NULL, 10) != strtoull(start_time, NULL, 10)) { errno = ESRCH; return fail("cannot look into", "the container's process"); }
  int root = openat(process, "root", O_PATH | O_DIRECTORY | O_CLOEXEC), mounts = openat(process, "ns/mnt", O_RDONLY | O_CLOEXEC);
  if (root < 0 || mounts < 0 || setns(mounts, CLONE_NEWNS) != 0) { if (errno == ENOENT) errno = ESRCH; return fail("cannot enter", "the container's process"); }
  int failed = enter_root(root);
  close(root);
  close(mounts);
  close(process);
  return failed;
}

static int open_in_root(int root, const char *path, int flags) {
  struct open_how how = { .flags = (unsigned long long)(flags | O_CLOEXEC), .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
  return (int)syscall(SYS_openat2, root, path, &how, sizeof how);
}

// Where something is mounted, made if it is not there, as at the container's start.
static int mount_point(int root, const char *target, int is_directory) {
  int found = open_in_root(root, target, O_PATH);
  if (found >= 0 || errno != ENOENT) return found;
  char path[PATH_MAX];
  int directory = -1;
  for (const char *end = target; *end;) {
    while (*end == '/') end++;
    const char *name = end;
    end += strcspn(end, "/");
    int is_last = end[strspn(end, "/")] == 0;
    snprintf(path, sizeof path, "%.*s", (int)(name - target), target);
    if (directory >= 0) close(directory);
    directory = open_in_root(root, path[0] ? path : "/", O_PATH | O_DIRECTORY);
    if (directory < 0) return -1;
    snprintf(path, sizeof path, "%.*s", (int)(end - name), name);
    int failed = is_last && !is_directory ? mknodat(directory, path, S_IFREG | 0755, 0) : mkdirat(directory, path, 0755);
    if (failed && errno != EEXIST) { close(directory); return -1; }
    if (is_last) break;
  }
  if (directory >= 0) close(directory);
  return open_in_root(root, target, O_PATH);
}

static int set_read_only(int mount, const char *name) {
  struct mount_attr attributes = { .attr_set = MOUNT_ATTR_RDONLY };
  return mount_setattr(mount, "", AT_EMPTY_PATH, &attributes, sizeof attributes) != 0 ? fail("cannot make read-only", name) : 0;
}

static int enter_mounts(const char *rootfs, int is_read_only, char **mounts, int count) {
  if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) != 0) return fail("cannot enter", "a mount namespace");
  int root = open(rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) return fail("cannot open", rootfs);
  umask(0);
  for (int i = 0; i < count; i += 5) {
    const char *mode = mounts[i + 1], *source = mounts[i + 2], *subpath = mounts[i + 3], *target = mounts[i + 4];
    struct stat status;
    // Below a volume's own directory its files say what is a link, and other containers may have it too.
    int whole = open(source, O_PATH | O_CLOEXEC), part = whole >= 0 && subpath[0] ? open_in_root(whole, subpath, O_PATH) : whole;
    int tree = part < 0 ? -1 : open_tree(part, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_EMPTY_PATH);
    if (tree < 0 || fstat(tree, &status) != 0) return fail("cannot open", source) ? EXIT_OTHER : 0;
    if (part != whole) close(part);
    close(whole);
    if (strcmp(mode, "ro") == 0 && set_read_only(tree, target) != 0) return EXIT_OTHER;
    int point = mount_point(root, target, S_ISDIR(status.st_mode));
    if (point < 0 || move_mount(tree, "", point, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0) return fail("cannot mount", target);
    close(tree);
    close(point);
  }
  if (is_read_only && set_read_only(root, rootfs) != 0) return EXIT_OTHER;
  return enter_root(root);
}

// Owners, modes, devices and file capabilities: what archives hold. No tracing, no mounts, no modules, no raw disks.
static int keep_file_rights(void) {
  static const int kept[] = { CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_FSETID, CAP_MKNOD, CAP_SETFCAP };
  struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
  struct __user_cap_data_struct now[2], data[2] = { 0 };
  if (syscall(SYS_capget, &header, now) != 0) return fail("cannot read", "capabilities");
  for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) data[CAP_TO_INDEX(kept[i])].permitted |= CAP_TO_MASK(kept[i]);
  for (int i = 0; i < 2; i++) data[i].effective = data[i].permitted &= now[i].permitted;
  return syscall(SYS_capset, &header, data) != 0 ? fail("cannot give up", "capabilities") : 0;
}

// ---- what is done there ----

struct request { const char *path, *as; int follows; struct unpack_options unpack; };

// A directory and a name in it; "." for a path that is followed to its end.
static int find(const struct request *request, int *directory, const char **name, struct stat *status) {
  static char parent[PATH_MAX];
  const char *slash = strrchr(request->path, '/');
  snprintf(parent, sizeof parent, "%.*s", slash ? (int)(slash - request->path) + 1 : 1, slash ? request->path : ".");
  *directory = open_safely(AT_FDCWD, request->follows ? request->path : parent, O_PATH | O_DIRECTORY);
  *name = request->follows ? "." : slash ? slash + 1 : request->path;
  return *directory < 0 || fstatat(*directory, *name, status, AT_SYMLINK_NOFOLLOW) != 0 ? fail("cannot find", request->path) : 0;
}

static int tell(const struct request *request, int names, int directory, const char *name, const struct stat *status) {
  char parent[PATH_MAX], resolved[PATH_MAX] = "", link[PATH_MAX] = "";
  path_of(names, directory, parent, sizeof parent);
  if (S_ISLNK(status->st_mode)) {
    ssize_t length = readlinkat(directory, name, link, sizeof link - 1);
    link[length > 0 ? length : 0] = 0;
    int end = open_safely(AT_FDCWD, request->path, O_PATH);
    if (end >= 0) { path_of(names, end, resolved, sizeof resolved); close(end); }
  }
  char text[3 * PATH_MAX + 128];
  int length = snprintf(text, sizeof text, "%u %llu %lld %ld%c%s%c%s%c%s%c", status->st_mode, (unsigned long long)status->st_size, (long long)status->st_mtim.tv_sec, status->st_mtim.tv_nsec, 0, parent, 0, resolved, 0, link, 0);
  return write(1, text, (size_t)length) == length ? 0 : fail("cannot write", "the answer");
}

static int stat_or_read(const struct request *request, int names, int reads) {
  int directory;
  const char *name;
  struct stat status;
  int failed = find(request, &directory, &name, &status);
  if (!failed) failed = tell(request, names, directory, name, &status);
  close(names);
  return failed || !reads ? failed : pack_entry(directory, name, request->as) != 0 ? EXIT_OTHER : 0;
}

static int text(const struct request *request) {
  static char content[4 * 1024 * 1024];
  struct stat status;
  int file = open_safely(AT_FDCWD, request->path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (file < 0 || fstat(file, &status) != 0) return fail("cannot open", request->path);
  if (!S_ISREG(status.st_mode)) { errno = EINVAL; return fail("cannot read what is no file:", request->path); }
  size_t length = 0;
  ssize_t count;
  while (length < sizeof content && (count = read(file, content + length, sizeof content - length)) > 0) length += (size_t)count;
  for (size_t done = 0; done < length; done += (size_t)count) if ((count = write(1, content + done, length - done)) <= 0) return fail("cannot write", "the answer");
  return 0;
}

static int write_into(const struct request *request) {
  int directory = open_safely(AT_FDCWD, request->path, O_PATH | O_DIRECTORY);
  struct statvfs about;
  if (directory < 0) return fail("cannot find", request->path);
  if (fstatvfs(directory, &about) != 0) return fail("cannot look at", request->path);
  if (about.f_flag & ST_RDONLY) { errno = EROFS; return fail("cannot write into", request->path); }
  if (fchdir(directory) != 0) return fail("cannot enter", request->path);
  return unpack(&request->unpack);
}

int files_main(int argc, char **argv) {
  if (argc < 5) return 2;
  const char *verb = argv[1], *process = NULL, *start_time = NULL, *root = NULL;
  struct request request = { .as = "." };
  int is_read_only = 0, at = 2, mounts = 0, mount_words = 0;
  for (; at < argc - 1; at++) {
    if (strcmp(argv[at], "--process") == 0 && at + 2 < argc) { process = argv[++at]; start_time = argv[++at]; }
    else if (strcmp(argv[at], "--root") == 0) root = argv[++at];
    else if (strcmp(argv[at], "--read-only") == 0) is_read_only = 1;
    else if (strcmp(argv[at], "--mount") == 0 && at + 4 < argc) { if (!mounts) mounts = at; mount_words += 5; at += 4; }   // one after another
    else if (strcmp(argv[at], "--follow") == 0) request.follows = 1;
    else if (strcmp(argv[at], "--as") == 0) request.as = argv[++at];
    else if (strcmp(argv[at], "--keep-kinds") == 0) request.unpack.keeps_kinds = 1;
    else if (strcmp(argv[at], "--owner") == 0 && at + 2 < argc) { request.unpack.has_owner = 1; request.unpack.uid = (uint32_t)strtoul(argv[++at], NULL, 10); request.unpack.gid = (uint32_t)strtoul(argv[++at], NULL, 10); }
    else return 2;
  }
  if (at != argc - 1 || (!process && !root)) return 2;
  request.path = argv[at];
  end_with_parent();
  prctl(PR_SET_DUMPABLE, 0);   // no process of the container, should it see this one, may trace it
  int names = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
  int failed = process ? enter_process(process, start_time) : enter_mounts(root, is_read_only, argv + mounts, mount_words);
  if (!failed) failed = keep_file_rights();
  if (failed) return failed;
  if (verb[0] == 'w' || verb[0] == 't') { close(names); return verb[0] == 'w' ? write_into(&request) : text(&request); }
  return strcmp(verb, "stat") == 0 || strcmp(verb, "read") == 0 ? stat_or_read(&request, names, verb[0] == 'r') : 2;
}
