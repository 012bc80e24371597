// pack [--upper] [--markers] [--settle] [--list] [--size] [--since SECONDS.NANOSECONDS] [--layers HOME LOWER] DIRECTORY [BELOW]
// Writes to standard output a tar of DIRECTORY, or an OCI layer of what it changes: as an upper directory of overlayfs, or compared with
// BELOW (or with the layers LOWER, see layers.h). With --list the changes by name, with --size how many bytes its files have. Names are sorted, so equal trees give equal bytes. Walks by file descriptors and through no symbolic link:
// a container may rename what is being read.
#define _GNU_SOURCE
#include "pack.h"
#include "layers.h"
#include "monitor.h"
#include "unpack.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#define DEPTH_MAX 2000
#define OPAQUE "trusted.overlay.opaque"

struct link { dev_t device; ino_t inode; char *name; };
struct level {                    // a directory on the way down
  struct level *up;
  int fd, below;                  // below: the directory that it is compared with, or -1
  int is_whole;                   // it holds everything, so what it lacks of `below` is deleted
  int is_pending;                 // it goes into the archive when something in it does
  struct stat status;
  size_t name_length;
  dev_t device;
};
struct pack {
  const struct pack_options *options;
  struct tar_out tar;
  int is_layer;                   // in which names that begin with ".wh." mean deletions
  struct bytes name;              // of the entry at hand, without the "/" that ends a directory's
  struct link *links; size_t link_count, link_capacity;   // open addressing by device and inode
  int cwd;
  uint64_t size;
};

static int fail(struct pack *pack, const char *what) {
  fprintf(stderr, "%s \"%s\": %s", what, pack->name.data ? pack->name.data : "", strerror(errno));
  return -1;
}

// ---- hard links ----

static struct link *find_link(struct pack *pack, const struct stat *status) {
  if (pack->link_count * 2 >= pack->link_capacity) {
    size_t capacity = pack->link_capacity ? pack->link_capacity * 2 : 256;
    struct link *table = calloc(capacity, sizeof *table);
    if (!table) return NULL;
    for (size_t i = 0; i < pack->link_capacity; i++) {
      if (!pack->links[i].name) continue;
      size_t at = (pack->links[i].inode * 0x9e3779b97f4a7c15u) % capacity;
      while (table[at].name) at = (at + 1) % capacity;
      table[at] = pack->links[i];
    }
    free(pack->links);
    pack->links = table;
    pack->link_capacity = capacity;
  }
  size_t at = (status->st_ino * 0x9e3779b97f4a7c15u) % pack->link_capacity;
  while (pack->links[at].name && (pack->links[at].inode != status->st_ino || pack->links[at].device != status->st_dev)) at = (at + 1) % pack->link_capacity;
  return &pack->links[at];
}

// ---- extended attributes ----

static int is_kept(const char *name) {
  if (strncmp(name, "trusted.", 8) == 0) return strncmp(name, "trusted.overlay.", 16) != 0;
  return strncmp(name, "user.fuseoverlayfs.", 19) != 0 && (strncmp(name, "user.", 5) == 0 || strcmp(name, "security.capability") == 0 || strncmp(name, "system.posix_acl_", 17) == 0);
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static int enter(struct pack *pack, int directory) {
  if (pack->cwd == directory) return 0;
  pack->cwd = -1;
  if (fchdir(directory) != 0) return -1;
  pack->cwd = directory;
  return 0;
}

// pax records of `name` in `directory`, sorted. A file system without attributes has none; what has vanished too.
static int attributes(struct pack *pack, int directory, const char *name, struct bytes *records) {
  static char list[65536], value[65536];
  if (enter(pack, directory) != 0) return -1;
  ssize_t length = llistxattr(name, list, sizeof list);
  if (length < 0) return errno == ENOTSUP || errno == ENOENT || errno == ENODATA ? 0 : -1;
  char *names[1024];
  size_t count = 0;
  for (char *at = list; at < list + length && count < 1024; at += strlen(at) + 1) if (is_kept(at)) names[count++] = at;
  qsort(names, count, sizeof *names, by_name);
  for (size_t i = 0; i < count; i++) {
    ssize_t size = lgetxattr(name, names[i], value, sizeof value);
    if (size < 0) continue;
    char key[300];
    snprintf(key, sizeof key, "SCHILY.xattr.%s", names[i]);
    tar_record(records, key, value, (size_t)size);
  }
  return 0;
}

static int is_opaque(struct pack *pack, int directory, const char *name) {
  char value = 0, path[NAME_MAX + 16];
  snprintf(path, sizeof path, "%s/.wh..wh..opq", name);
  if (pack->options->may_hold_markers && faccessat(directory, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0) return 1;
  return enter(pack, directory) == 0 && lgetxattr(name, OPAQUE, &value, 1) == 1 && value == 'y';
}

// What overlayfs notes on files of an upper directory means nothing in a layer; a layer's times are whole seconds, as in its archive.
static int settle(struct pack *pack, int directory, const char *name, const struct stat *status) {
  static char list[65536];
  if (enter(pack, directory) != 0) return -1;
  ssize_t length = llistxattr(name, list, sizeof list);
  for (char *at = list; at < list + length; at += strlen(at) + 1) if (strncmp(at, "trusted.overlay.", 16) == 0 && strcmp(at, OPAQUE) != 0) lremovexattr(name, at);
  struct timespec times[2] = { { 0, UTIME_OMIT }, { status->st_mtim.tv_sec, 0 } };
  return utimensat(directory, name, times, AT_SYMLINK_NOFOLLOW);
}

// ---- comparing ----

static int is_same_content(int directory, int below, const char *name) {
  static char a[65536], b[65536];
  int one = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), other = openat(below, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  int is_same = one >= 0 && other >= 0;
  for (off_t at = 0; is_same;) {
    ssize_t count = pread(one, a, sizeof a, at);
    is_same = count >= 0 && pread(other, b, sizeof b, at) == count && memcmp(a, b, (size_t)count) == 0;
    if (count <= 0) break;
    at += count;
  }
  if (one >= 0) close(one);
  if (other >= 0) close(other);
  return is_same;
}

static int differs(struct pack *pack, int directory, int below, const char *name, const struct stat *now, const struct stat *before) {
  if (now->st_mode != before->st_mode || now->st_uid != before->st_uid || now->st_gid != before->st_gid) return 1;
  if (now->st_mtim.tv_sec != before->st_mtim.tv_sec || now->st_mtim.tv_nsec != before->st_mtim.tv_nsec) return 1;
  if (!S_ISDIR(now->st_mode)) {
    const struct timespec *since = &pack->options->since;
    if (now->st_size != before->st_size || now->st_rdev != before->st_rdev) return 1;
    int is_touched = since->tv_sec > 0 && (now->st_ctim.tv_sec > since->tv_sec || (now->st_ctim.tv_sec == since->tv_sec && now->st_ctim.tv_nsec > since->tv_nsec));
    // Written, and its time set back; or only linked elsewhere.
    if (is_touched && S_ISREG(now->st_mode) && !is_same_content(directory, below, name)) return 1;
  }
  if (S_ISLNK(now->st_mode)) {
    char a[4096], b[4096];
    ssize_t length = readlinkat(directory, name, a, sizeof a);
    if (length != readlinkat(below, name, b, sizeof b) || (length > 0 && memcmp(a, b, (size_t)length) != 0)) return 1;
  }
  struct bytes a = { 0 }, b = { 0 };
  int bad = attributes(pack, directory, name, &a) != 0 || attributes(pack, below, name, &b) != 0 || a.length != b.length || (a.length > 0 && memcmp(a.data, b.data, a.length) != 0);
  bytes_free(&a);
  bytes_free(&b);
  return bad;
}

// ---- entries ----

static int list_one(struct pack *pack, char kind) {
  return tar_bytes(&pack->tar, &kind, 1) != 0 || tar_bytes(&pack->tar, "/", 1) != 0 || tar_bytes(&pack->tar, pack->name.data, pack->name.length + 1) != 0 ? fail(pack, "cannot write") : 0;
}

static struct tar_entry entry_of(const struct stat *status, char type, const char *name, struct bytes *records) {
  return (struct tar_entry){ .type = type, .name = name, .link = "", .mode = status->st_mode & 07777, .uid = status->st_uid, .gid = status->st_gid, .mtime = status->st_mtim.tv_sec, .records = records };
}

static int directory_header(struct pack *pack, int parent, const char *name, const struct stat *status) {
  struct bytes records = { 0 };
  if (attributes(pack, parent, name, &records) != 0) return fail(pack, "cannot read the attributes of");
  int is_rooted = pack->name.length > 0 && pack->name.data[pack->name.length - 1] == '/';   // "/" itself
  if (!is_rooted) bytes_add(&pack->name, "/", 1);
  struct tar_entry entry = entry_of(status, '5', pack->name.data, &records);
  int failed = tar_header(&pack->tar, &entry);
  if (!is_rooted) pack->name.data[--pack->name.length] = 0;
  bytes_free(&records);
  return failed ? fail(pack, "cannot write") : 0;
}

// Directories above a change that are not in the archive yet.
static int announce(struct pack *pack, struct level *level) {
  if (!level || !level->is_pending) return 0;
  if (announce(pack, level->up) != 0) return -1;
  level->is_pending = 0;
  if (level->up == NULL) return 0;   // the root itself is no entry
  size_t length = pack->name.length;
  char *after = strdup(pack->name.data + level->name_length);
  pack->name.data[pack->name.length = level->name_length] = 0;
  int failed = pack->options->lists ? list_one(pack, 'C') : directory_header(pack, level->fd, ".", &level->status);
  bytes_add(&pack->name, after, length - level->name_length);
  free(after);
  return failed;
}

static int marker(struct pack *pack, const char *hidden) {
  size_t length = pack->name.length;
  while (pack->name.length > 0 && pack->name.data[pack->name.length - 1] != '/') pack->name.length--;
  struct bytes name = { 0 };
  bytes_add(&name, pack->name.data, pack->name.length);
  bytes_add(&name, ".wh.", 4);
  bytes_add(&name, hidden, strlen(hidden));
  pack->name.length = length;
  struct tar_entry entry = { .type = '0', .name = name.data, .link = "", .mode = 0600 };
  int failed = tar_header(&pack->tar, &entry);
  bytes_free(&name);
  return failed ? fail(pack, "cannot write") : 0;
}

// A file with holes: GNU's sparse format 1.0, a list of extents as text before the data.
static int sparse_file(struct pack *pack, int file, const struct stat *status, struct tar_entry *entry, struct bytes *records) {
  struct bytes map = { 0 };
  struct { off_t from, to; } *extents = NULL;
  size_t count = 0;
  uint64_t data_bytes = 0;
  for (off_t at = 0; at < status->st_size;) {
    off_t from = lseek(file, at, SEEK_DATA);
    if (from < 0 || from >= status->st_size) break;
    off_t to = lseek(file, from, SEEK_HOLE);
    if (to < 0 || to > status->st_size) to = status->st_size;
    if (count % 64 == 0) { extents = realloc(extents, (count + 64) * sizeof *extents); if (!extents) return -1; }
    extents[count].from = from;
    extents[count++].to = to;
    data_bytes += (uint64_t)(to - from);
    at = to;
  }
  // A last extent of no bytes at the end says how long the file is to programs that do not look at realsize.
  int has_tail = count == 0 || extents[count - 1].to < status->st_size;
  char line[64];
  bytes_add(&map, line, (size_t)snprintf(line, sizeof line, "%zu\n", count + (size_t)has_tail));
  for (size_t i = 0; i < count; i++) bytes_add(&map, line, (size_t)snprintf(line, sizeof line, "%lld\n%lld\n", (long long)extents[i].from, (long long)(extents[i].to - extents[i].from)));
  if (has_tail) bytes_add(&map, line, (size_t)snprintf(line, sizeof line, "%lld\n0\n", (long long)status->st_size));
  tar_record(records, "GNU.sparse.major", "1", 1);
  tar_record(records, "GNU.sparse.minor", "0", 1);
  tar_record(records, "GNU.sparse.name", entry->name, strlen(entry->name));
  tar_record(records, "GNU.sparse.realsize", line, (size_t)snprintf(line, sizeof line, "%lld", (long long)status->st_size));
  uint64_t map_bytes = (map.length + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
  entry->size = map_bytes + data_bytes;
  int failed = tar_header(&pack->tar, entry) != 0 || tar_bytes(&pack->tar, map.data, map.length) != 0 || tar_pad(&pack->tar, map.length) != 0;
  for (size_t i = 0; i < count && !failed; i++) failed = tar_file(&pack->tar, file, (uint64_t)extents[i].from, (uint64_t)(extents[i].to - extents[i].from)) != 0;
  failed = failed || tar_pad(&pack->tar, data_bytes) != 0;
  free(extents);
  bytes_free(&map);
  return failed ? fail(pack, "cannot archive") : 0;
}

// The kernel's own file systems inside a container: their files have no sizes, and some never end.
static int is_kernel_view(int directory) {
  struct statfs about;
  if (fstatfs(directory, &about) != 0) return 0;
  switch ((unsigned long)about.f_type) {
    case PROC_SUPER_MAGIC: case SYSFS_MAGIC: case CGROUP_SUPER_MAGIC: case CGROUP2_SUPER_MAGIC: case DEBUGFS_MAGIC: case TRACEFS_MAGIC: case SECURITYFS_MAGIC: case BPF_FS_MAGIC: return 1;
    default: return 0;
  }
}

// What says that it has no size and is read nevertheless.
static int kernel_file(struct pack *pack, int file, struct tar_entry *entry) {
  static char text[1024 * 1024];
  ssize_t count;
  while (entry->size < sizeof text && (count = read(file, text + entry->size, sizeof text - entry->size)) > 0) entry->size += (uint64_t)count;
  return tar_header(&pack->tar, entry) != 0 || tar_bytes(&pack->tar, text, entry->size) != 0 || tar_pad(&pack->tar, entry->size) != 0 ? fail(pack, "cannot write") : 0;
}

#define GONE 1

static int regular_file(struct pack *pack, int directory, const char *name, struct bytes *records) {
  int file = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
  if (file < 0) return errno == ENOENT || errno == ELOOP ? GONE : fail(pack, "cannot open");   // gone, or replaced meanwhile
  struct stat status;
  int failed = fstat(file, &status);
  if (!failed && !S_ISREG(status.st_mode)) failed = GONE;
  if (!failed) {
    struct tar_entry entry = entry_of(&status, '0', pack->name.data, records);
    uint64_t allocated = (uint64_t)status.st_blocks * 512;
    if (status.st_size == 0 && is_kernel_view(file)) failed = kernel_file(pack, file, &entry);
    else if (status.st_size > 65536 && allocated + 32768 < (uint64_t)status.st_size && lseek(file, 0, SEEK_HOLE) < status.st_size) failed = sparse_file(pack, file, &status, &entry, records);
    else {
      entry.size = (uint64_t)status.st_size;
      failed = tar_header(&pack->tar, &entry) != 0 || tar_file(&pack->tar, file, 0, entry.size) != 0 || tar_pad(&pack->tar, entry.size) != 0 ? fail(pack, "cannot archive") : 0;
    }
  }
  close(file);
  return failed;
}

// Anything but a directory.
static int other_entry(struct pack *pack, int directory, const char *name, const struct stat *status) {
  if (S_ISSOCK(status->st_mode)) return 0;   // means nothing without the process that made it
  struct bytes records = { 0 };
  struct tar_entry entry = entry_of(status, '0', pack->name.data, &records);
  struct link *link = NULL;
  if (status->st_nlink > 1) {
    link = find_link(pack, status);
    if (!link) return fail(pack, "cannot archive");
    if (link->name) {
      entry.type = '1';
      entry.link = link->name;
      return tar_header(&pack->tar, &entry) != 0 ? fail(pack, "cannot write") : 0;
    }
    *link = (struct link){ status->st_dev, status->st_ino, strdup(pack->name.data) };
    pack->link_count++;
  }
  if (attributes(pack, directory, name, &records) != 0) return fail(pack, "cannot read the attributes of");
  int failed;
  if (S_ISREG(status->st_mode)) {
    failed = regular_file(pack, directory, name, &records);
    // Nothing can be linked to what was not archived; its place in the table is found again by the next name.
    if (failed == GONE) { failed = 0; if (link) { link->inode = 0; } }
  } else {
    char target[4097];
    switch (status->st_mode & S_IFMT) {
      case S_IFLNK: {
        ssize_t length = readlinkat(directory, name, target, sizeof target - 1);
        if (length < 0) { bytes_free(&records); return errno == ENOENT || errno == EINVAL ? 0 : fail(pack, "cannot read the link"); }
        target[length] = 0;
        entry.type = '2';
        entry.link = target;
        entry.mode = 0777;
        break;
      }
      case S_IFCHR: case S_IFBLK:
        entry.type = S_ISCHR(status->st_mode) ? '3' : '4';
        entry.major = major(status->st_rdev);
        entry.minor = minor(status->st_rdev);
        break;
      default: entry.type = '6';
    }
    failed = tar_header(&pack->tar, &entry) != 0 ? fail(pack, "cannot write") : 0;
  }
  bytes_free(&records);
  return failed;
}

// ---- directories ----

struct names { char **list; size_t count; };

// The name that is deleted by a file ".wh.NAME", or NULL; what begins with ".wh..wh." is no name.
static const char *hidden_by(const char *name) { return strncmp(name, ".wh.", 4) == 0 && name[4] != '.' ? name + 4 : NULL; }

// Deletions stand where the deleted would.
static int by_meaning(const void *a, const void *b) {
  const char *one = *(char *const *)a, *other = *(char *const *)b;
  return strcmp(hidden_by(one) ? hidden_by(one) : one, hidden_by(other) ? hidden_by(other) : other);
}

static int read_names(struct pack *pack, const struct level *level, int directory, struct names *names) {
  *names = (struct names){ 0 };
  int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *stream = copy < 0 ? NULL : fdopendir(copy);
  if (!stream) { if (copy >= 0) close(copy); return -1; }
  size_t capacity = 0;
  struct dirent *entry;
  while ((entry = readdir(stream))) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    // An opaque directory deletes all at once.
    if (pack->options->may_hold_markers && strncmp(entry->d_name, ".wh.", 4) == 0 && (level->is_whole || !hidden_by(entry->d_name))) continue;
    if (names->count == capacity && !(names->list = realloc(names->list, (capacity = capacity ? capacity * 2 : 64) * sizeof *names->list))) break;
    names->list[names->count++] = strdup(entry->d_name);
  }
  closedir(stream);
  if (names->count > 1) qsort(names->list, names->count, sizeof *names->list, pack->options->may_hold_markers ? by_meaning : by_name);
  return 0;
}

static void free_names(struct names *names) {
  for (size_t i = 0; i < names->count; i++) free(names->list[i]);
  free(names->list);
}

static int walk(struct pack *pack, struct level *level, int depth);

static int subdirectory(struct pack *pack, struct level *level, const char *name, const struct stat *status, const struct stat *before, int depth) {
  const struct pack_options *options = pack->options;
  struct level inner = { .up = level, .below = -1, .status = *status, .name_length = pack->name.length, .device = status->st_dev, .is_whole = level->is_whole };
  inner.fd = openat(level->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (inner.fd < 0) return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 0 : fail(pack, "cannot open");
  int opaque = options->is_upper && is_opaque(pack, level->fd, name), failed = 0;
  if (level->below >= 0) {
    if (opaque) inner.is_whole = 1;
    if (before && S_ISDIR(before->st_mode)) inner.below = openat(level->below, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    inner.is_pending = inner.below >= 0 && !differs(pack, level->fd, level->below, name, status, before);
    if (!inner.is_pending && !options->measures) {
      failed = announce(pack, level);
      if (!failed) failed = options->lists ? list_one(pack, before ? 'C' : 'A') : directory_header(pack, level->fd, name, status);
    }
  } else if (!options->measures) failed = options->lists ? list_one(pack, 'A') : directory_header(pack, level->fd, name, status);
  int is_view = inner.device != level->device && is_kernel_view(inner.fd);
  if (!failed && opaque && !options->lists && !options->measures) {
    bytes_add(&pack->name, "/", 1);
    failed = marker(pack, ".wh..opq");
    pack->name.data[--pack->name.length] = 0;
  }
  if (!failed && !is_view) failed = walk(pack, &inner, depth + 1);
  if (!failed && options->settles) failed = settle(pack, level->fd, name, status) != 0 ? fail(pack, "cannot settle") : 0;
  if (pack->cwd == inner.fd) pack->cwd = -1;
  if (inner.below >= 0) { if (pack->cwd == inner.below) pack->cwd = -1; close(inner.below); }
  close(inner.fd);
  return failed;
}

// A file counts once, however many names it has.
static int measure(struct pack *pack, const struct stat *status) {
  if (!S_ISREG(status->st_mode)) return 0;
  if (status->st_nlink > 1) {
    struct link *link = find_link(pack, status);
    if (!link) return fail(pack, "cannot measure");
    if (link->name) return 0;
    *link = (struct link){ status->st_dev, status->st_ino, strdup("") };
    pack->link_count++;
  }
  pack->size += (uint64_t)status->st_size;
  return 0;
}

// By a file ".wh.NAME" of fuse-overlayfs, where devices cannot be made.
static int deleted(struct pack *pack, struct level *level, const char *hidden) {
  struct stat status;
  if (!pack->options->lists) return marker(pack, hidden);
  if (level->below < 0 || fstatat(level->below, hidden, &status, AT_SYMLINK_NOFOLLOW) != 0) return 0;
  pack->name.length -= strlen(hidden) + 4;
  bytes_add(&pack->name, hidden, strlen(hidden));
  return announce(pack, level) != 0 ? -1 : list_one(pack, 'D');
}

static int one(struct pack *pack, struct level *level, const char *name, int depth) {
  const struct pack_options *options = pack->options;
  struct stat status, old;
  if (fstatat(level->fd, name, &status, AT_SYMLINK_NOFOLLOW) != 0) return errno == ENOENT ? 0 : fail(pack, "cannot look at");
  const struct stat *before = level->below >= 0 && fstatat(level->below, name, &old, AT_SYMLINK_NOFOLLOW) == 0 ? &old : NULL;
  if (pack->is_layer && strncmp(name, ".wh.", 4) == 0) {
    if (options->may_hold_markers) return options->measures ? 0 : deleted(pack, level, hidden_by(name));
    if (!options->measures) { errno = EINVAL; return fail(pack, "names that begin with .wh. are reserved for deletions in layers; rename or remove"); }
  }
  if (options->is_upper && S_ISCHR(status.st_mode) && status.st_rdev == 0) {
    if (options->measures) return 0;
    if (!options->lists) return marker(pack, name);
    return before ? (announce(pack, level) != 0 ? -1 : list_one(pack, 'D')) : 0;
  }
  if (S_ISDIR(status.st_mode)) return subdirectory(pack, level, name, &status, before, depth);
  if (options->settles && S_ISSOCK(status.st_mode)) return unlinkat(level->fd, name, 0) != 0 ? fail(pack, "cannot remove the socket") : 0;
  if (before && !differs(pack, level->fd, level->below, name, &status, before)) return 0;
  if (options->measures) return measure(pack, &status);
  if (announce(pack, level) != 0) return -1;
  if (options->lists) return S_ISSOCK(status.st_mode) && !before ? list_one(pack, 'A') : list_one(pack, before ? 'C' : 'A');
  if (other_entry(pack, level->fd, name, &status) != 0) return -1;
  return options->settles && settle(pack, level->fd, name, &status) != 0 ? fail(pack, "cannot settle") : 0;
}

static int walk(struct pack *pack, struct level *level, int depth) {
  if (depth > DEPTH_MAX) { errno = ELOOP; return fail(pack, "the directories are too deep at"); }
  struct names names, old = { 0 };
  if (read_names(pack, level, level->fd, &names) != 0) return fail(pack, "cannot read");
  int failed = level->below >= 0 && level->is_whole && read_names(pack, level, level->below, &old) != 0 ? fail(pack, "cannot read") : 0;
  size_t length = pack->name.length;
  if (length > 0 && pack->name.data[length - 1] != '/') bytes_add(&pack->name, "/", 1);
  size_t base = pack->name.length;
  for (size_t i = 0, j = 0; !failed && (i < names.count || j < old.count);) {
    int order = i == names.count ? 1 : j == old.count ? -1 : strcmp(names.list[i], old.list[j]);
    const char *name = order <= 0 ? names.list[i] : old.list[j];
    bytes_add(&pack->name, name, strlen(name));
    if (order > 0 && pack->options->measures) failed = 0;
    else if (order > 0) {
      failed = announce(pack, level);
      if (!failed) failed = pack->options->lists ? list_one(pack, 'D') : marker(pack, name);
    } else failed = one(pack, level, name, depth);
    pack->name.data[pack->name.length = base] = 0;
    if (order <= 0) i++;
    if (order >= 0) j++;
  }
  if (pack->name.data) pack->name.data[pack->name.length = length] = 0;
  free_names(&names);
  free_names(&old);
  return failed;
}

static int begin(struct pack *pack, const struct pack_options *options, const char *name) {
  *pack = (struct pack){ .options = options, .cwd = -1 };
  // A directory on the way down takes two descriptors.
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) { files.rlim_cur = files.rlim_max; setrlimit(RLIMIT_NOFILE, &files); }
  bytes_add(&pack->name, name, strlen(name));
  return tar_open(&pack->tar, 1);
}

static int end(struct pack *pack, int directory, int failed) {
  char text[32];
  if (!failed && pack->options->measures) failed = tar_bytes(&pack->tar, text, (size_t)snprintf(text, sizeof text, "%llu", (unsigned long long)pack->size)) != 0;
  // A layer that is renamed into place is whole after a power cut.
  if (!failed && pack->options->settles && syncfs(directory) != 0) failed = fail(pack, "cannot sync");
  // A list ends where it ends; an archive with two empty blocks.
  if (!failed && (pack->options->lists || pack->options->measures ? tar_flush(&pack->tar) : tar_end(&pack->tar)) != 0) failed = fail(pack, "cannot write");
  for (size_t i = 0; i < pack->link_capacity; i++) free(pack->links[i].name);
  free(pack->links);
  free(pack->tar.buffer);
  bytes_free(&pack->name);
  return failed;
}

int pack_tree(int directory, int below, const char *prefix, const struct pack_options *options) {
  struct pack pack;
  if (begin(&pack, options, prefix) != 0) return fail(&pack, "cannot begin");
  pack.is_layer = options->is_upper || below >= 0;
  struct level top = { .fd = directory, .below = below, .is_whole = !options->is_upper, .is_pending = 1 };
  int failed = fstat(directory, &top.status) != 0 ? fail(&pack, "cannot look at") : 0;
  top.device = top.status.st_dev;
  if (!failed) failed = walk(&pack, &top, 0);
  return end(&pack, directory, failed);
}

int pack_entry(int directory, const char *name, const char *as) {
  static const struct pack_options plain = { 0 };
  struct pack pack;
  if (begin(&pack, &plain, as) != 0) return fail(&pack, "cannot begin");
  struct level top = { .fd = directory, .below = -1 };
  struct stat status;
  int failed = fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) != 0 ? fail(&pack, "cannot look at") : 0;
  top.device = status.st_dev;   // what was asked for by name is archived, whatever file system it is on
  if (!failed) failed = S_ISDIR(status.st_mode) ? subdirectory(&pack, &top, name, &status, NULL, 0) : other_entry(&pack, directory, name, &status);
  return end(&pack, directory, failed);
}

int pack_main(int argc, char **argv) {
  struct pack_options options = { 0 };
  int at = 1, below = -1;
  for (; at < argc && strncmp(argv[at], "--", 2) == 0; at++) {
    if (strcmp(argv[at], "--upper") == 0) options.is_upper = 1;
    else if (strcmp(argv[at], "--markers") == 0) options.may_hold_markers = 1;
    else if (strcmp(argv[at], "--settle") == 0) options.settles = 1;
    else if (strcmp(argv[at], "--list") == 0) options.lists = 1;
    else if (strcmp(argv[at], "--size") == 0) options.measures = 1;
    else if (strcmp(argv[at], "--layers") == 0 && at + 2 < argc) { if ((below = open_layers(argv[at + 1], argv[at + 2], "", "")) < 0) return 1; at += 2; }
    else if (strcmp(argv[at], "--since") == 0 && at + 1 < argc) { long long seconds = 0; long nanoseconds = 0; sscanf(argv[++at], "%lld.%ld", &seconds, &nanoseconds); options.since = (struct timespec){ seconds, nanoseconds }; }
    else return 2;
  }
  if (argc - at < 1 || argc - at > 2) return 2;
  end_with_parent();
  int directory = open(argv[at], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) { fprintf(stderr, "cannot open %s: %s", argv[at], strerror(errno)); return 1; }
  if (argc - at == 2 && (below = open(argv[at + 1], O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) { fprintf(stderr, "cannot open %s: %s", argv[at + 1], strerror(errno)); return 1; }
  return pack_tree(directory, below, "", &options) == 0 ? 0 : 1;
}
