// unpack overlay|delete|files DIRECTORY: an image layer from standard input into DIRECTORY. What it deletes is written in overlayfs's terms (devices
// 0/0, opaque directories), deleted at once, or kept as it is named, ".wh." files. Then everything is synced, so that a layer that is renamed into place is whole after a power cut.
//
// The archive is not trusted, and in a running container neither are the directories: links are changed while they are followed. The process has
// its root where nothing may be left (chroot), links of /proc lead nowhere, and the last name of a path is never followed.
#define _GNU_SOURCE
#include "unpack.h"
#include "monitor.h"
#include "tar.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define OPAQUE "trusted.overlay.opaque"

struct made { char *name; struct timespec mtime; };   // directories, whose times are set when nothing is put into them any more
struct unpacking {
  const struct unpack_options *options;
  struct tar_read in;
  int base;                       // where names begin
  int parent; char *parent_name;  // the directory used last
  struct made *made; size_t made_count;
  int code;
};

int exit_code_of(int error) {
  switch (error) {
    case ENOENT: return EXIT_NOT_FOUND;
    case ENOTDIR: return EXIT_NOT_DIRECTORY;
    case EROFS: return EXIT_READ_ONLY;
    case ESRCH: return EXIT_GONE;
    case ENOSPC: case EDQUOT: return EXIT_NO_SPACE;
    default: return EXIT_OTHER;
  }
}

static int fail(struct unpacking *unpacking, const char *what, const char *name) {
  int error = errno;
  fprintf(stderr, "%s \"%s\": %s", what, name, strerror(error));
  // What the archive asks for cannot be: a link to what comes later, a name that is too long, something below a file.
  int is_its_fault = error == ENOENT || error == ENOTDIR || error == ELOOP || error == ENAMETOOLONG || error == EEXIST || error == EISDIR;
  unpacking->code = is_its_fault ? EXIT_BAD_ARCHIVE : exit_code_of(error);
  return -1;
}

static int refuse(struct unpacking *unpacking, const char *why, const char *name) {
  fprintf(stderr, name ? "%s \"%s\"" : "%s", why, name);
  unpacking->code = EXIT_BAD_ARCHIVE;
  return -1;
}

int open_safely(int directory, const char *path, int flags) {
  struct open_how how = { .flags = (unsigned long long)(flags | O_CLOEXEC), .resolve = RESOLVE_NO_MAGICLINKS };
  return (int)syscall(SYS_openat2, directory, path, &how, sizeof how);
}

// ---- names ----

// Without "." and what leads up, relative; 0 if it would lead out of where it begins.
static int clean(const char *name, char *out, size_t size) {
  size_t length = 0, parts[4096], depth = 0;
  for (const char *at = name; *at;) {
    while (*at == '/') at++;
    size_t part = strcspn(at, "/");
    if (part == 2 && at[0] == '.' && at[1] == '.') { if (depth == 0) return 0; length = parts[--depth]; }
    else if (part > 0 && !(part == 1 && at[0] == '.')) {
      if (depth == 4096 || length + part + 2 > size) return 0;
      parts[depth++] = length;
      if (length > 0) out[length++] = '/';
      memcpy(out + length, at, part);
      length += part;
    }
    at += part;
  }
  out[length] = 0;
  return 1;
}

static int put_marker(int parent, const char *name) {
  static const struct timespec times[2] = { { 0, 0 }, { 0, 0 } };
  return (mknodat(parent, name, S_IFREG | 0600, 0) != 0 && errno != EEXIST) || utimensat(parent, name, times, AT_SYMLINK_NOFOLLOW) != 0 ? -1 : 0;
}

static int set_opaque(struct unpacking *unpacking, int parent, const char *name) {
  int directory = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (directory < 0) return -1;
  int failed = unpacking->options->markers == MARKERS_AS_FILES ? put_marker(directory, ".wh..wh..opq") : fsetxattr(directory, OPAQUE, "y", 1, 0);
  close(directory);
  return failed;
}

// This layer has said that it deletes that name of the layers below.
static int is_hidden(struct unpacking *unpacking, int parent, const char *name) {
  struct stat status;
  char marker[NAME_MAX + 8];
  if (unpacking->options->markers == MARKERS_FOR_OVERLAY) return fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISCHR(status.st_mode) && status.st_rdev == 0;
  if (unpacking->options->markers != MARKERS_AS_FILES || snprintf(marker, sizeof marker, ".wh.%s", name) > NAME_MAX) return 0;
  return fstatat(parent, marker, &status, AT_SYMLINK_NOFOLLOW) == 0;
}

static int unhide(struct unpacking *unpacking, int parent, const char *name) {
  char marker[NAME_MAX + 8];
  snprintf(marker, sizeof marker, unpacking->options->markers == MARKERS_AS_FILES ? ".wh.%s" : "%s", name);
  return unlinkat(parent, marker, 0);
}

// The directory of `name`, made if it is not there; `last` is the rest. Stays open until another one is asked for.
static int parent_of(struct unpacking *unpacking, const char *name, const char **last) {
  const char *slash = strrchr(name, '/');
  *last = slash ? slash + 1 : name;
  if (!slash) return unpacking->base;
  size_t length = (size_t)(slash - name);
  if (unpacking->parent >= 0 && strlen(unpacking->parent_name) == length && memcmp(unpacking->parent_name, name, length) == 0) return unpacking->parent;
  char *path = strndup(name, length);
  int directory = open_safely(unpacking->base, path, O_PATH | O_DIRECTORY);
  if (directory < 0 && (errno == ENOENT || errno == ENOTDIR)) {
    const char *rest;
    int was_missing = errno == ENOENT, above = parent_of(unpacking, path, &rest);
    // The layer deletes a name and puts something below it, without saying that it is a directory.
    if (above >= 0 && is_hidden(unpacking, above, rest)) {
      if (unhide(unpacking, above, rest) == 0 && mkdirat(above, rest, 0755) == 0 && set_opaque(unpacking, above, rest) == 0) directory = open_safely(unpacking->base, path, O_PATH | O_DIRECTORY);
    } else if (was_missing && above >= 0 && (mkdirat(above, rest, 0755) == 0 || errno == EEXIST)) {
      if (unpacking->options->has_owner) fchownat(above, rest, unpacking->options->uid, unpacking->options->gid, AT_SYMLINK_NOFOLLOW);
      directory = open_safely(unpacking->base, path, O_PATH | O_DIRECTORY);
    }
  }
  if (directory < 0) { free(path); return -1; }
  if (unpacking->parent >= 0) close(unpacking->parent);
  free(unpacking->parent_name);
  unpacking->parent = directory;
  unpacking->parent_name = path;
  return directory;
}

// ---- taking away ----

// Never into what is mounted there.
static int remove_all(int directory, const char *name) {
  if (unlinkat(directory, name, 0) == 0) return 0;
  if (errno != EISDIR && errno != EPERM) return errno == ENOENT ? 0 : -1;
  struct open_how how = { .flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, .resolve = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS };
  int inside = (int)syscall(SYS_openat2, directory, name, &how, sizeof how);
  if (inside < 0) { if (errno == EXDEV) errno = EBUSY; return -1; }
  DIR *stream = fdopendir(inside);
  if (!stream) { close(inside); return -1; }
  int failed = 0;
  struct dirent *entry;
  while (!failed && (entry = readdir(stream))) if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) failed = remove_all(dirfd(stream), entry->d_name);
  int error = errno;
  closedir(stream);
  errno = error;
  return failed ? -1 : unlinkat(directory, name, AT_REMOVEDIR);
}

static int remove_contents(int directory) {
  int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *stream = copy < 0 ? NULL : fdopendir(copy);
  if (!stream) return -1;
  int failed = 0;
  struct dirent *entry;
  while (!failed && (entry = readdir(stream))) if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) failed = remove_all(dirfd(stream), entry->d_name);
  closedir(stream);
  return failed;
}

// A name ".wh.X" (OCI image layer spec, "Whiteouts").
static int marker(struct unpacking *unpacking, int parent, const char *last, const char *name) {
  const char *hidden = last + 4;
  int deletes = unpacking->options->markers == MARKERS_DELETE;
  if (strcmp(last, ".wh..wh..opq") == 0) {
    if (deletes) return remove_contents(parent) != 0 ? fail(unpacking, "cannot empty the directory of", name) : 0;
    return set_opaque(unpacking, parent, ".") != 0 ? fail(unpacking, "cannot make opaque the directory of", name) : 0;
  }
  if (strncmp(hidden, ".wh.", 4) == 0) return 0;   // bookkeeping of aufs
  if (!hidden[0] || strcmp(hidden, ".") == 0 || strcmp(hidden, "..") == 0) return refuse(unpacking, "the layer deletes an impossible name:", name);
  if (deletes) return remove_all(parent, hidden) != 0 ? fail(unpacking, "cannot delete what is hidden by", name) : 0;
  // The layer may bring the same name itself: a new directory hides the old one's contents, a new file hides it anyway.
  struct stat status;
  if (fstatat(parent, hidden, &status, AT_SYMLINK_NOFOLLOW) == 0) return S_ISDIR(status.st_mode) && set_opaque(unpacking, parent, hidden) != 0 ? fail(unpacking, "cannot make opaque", name) : 0;
  int failed = unpacking->options->markers == MARKERS_AS_FILES ? put_marker(parent, last) : mknodat(parent, hidden, S_IFCHR, makedev(0, 0));
  return failed ? fail(unpacking, "cannot hide what is named by", name) : 0;
}

// ---- putting there ----

static void owner_of(struct unpacking *unpacking, uid_t *uid, gid_t *gid) {
  *uid = unpacking->options->has_owner ? unpacking->options->uid : unpacking->in.uid;
  *gid = unpacking->options->has_owner ? unpacking->options->gid : unpacking->in.gid;
}

static int is_settable(const char *name) {
  if (strncmp(name, "trusted.", 8) == 0) return strncmp(name, "trusted.overlay.", 16) != 0;   // an archive does not tell overlayfs what to do
  return strncmp(name, "user.", 5) == 0 || strcmp(name, "security.capability") == 0 || strncmp(name, "system.posix_acl_", 17) == 0;
}

// By descriptor, or for what cannot be opened by name in the working directory. File systems without attributes lose them, as with Docker.
static int set_attributes(struct unpacking *unpacking, int file, const char *last) {
  const struct bytes *all = &unpacking->in.attributes;
  for (size_t at = 0; at < all->length;) {
    const char *name = all->data + at;
    uint32_t size;
    at += strlen(name) + 1;
    memcpy(&size, all->data + at, sizeof size);
    const char *value = all->data + at + sizeof size;
    at += sizeof size + size;
    if (!is_settable(name)) continue;
    int failed = file >= 0 ? fsetxattr(file, name, value, size, 0) : lsetxattr(last, name, value, size, 0);
    if (failed && errno != ENOTSUP && errno != EPERM) return -1;
  }
  return 0;
}

static struct timespec mtime_of(const struct tar_read *in) { return (struct timespec){ in->mtime, in->mtime_nanoseconds }; }

static int write_data(struct unpacking *unpacking, int file, const char *name) {
  struct tar_read *in = &unpacking->in;
  uint64_t end = 0;
  for (size_t i = 0; i < in->extent_count; i++) {
    uint64_t at = in->extents[i].at, left = in->extents[i].length;
    while (left > 0) {
      const char *data;
      ssize_t count = tar_data(in, &data, left < 1024 * 1024 ? left : 1024 * 1024);
      if (count <= 0) return in->problem ? refuse(unpacking, in->problem, NULL) : fail(unpacking, "cannot read the contents of", name);
      for (ssize_t done = 0; done < count;) {
        ssize_t written = pwrite(file, data + done, (size_t)(count - done), (off_t)(at + (uint64_t)done));
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return fail(unpacking, "cannot write", name);
        done += written;
      }
      at += (uint64_t)count;
      left -= (uint64_t)count;
    }
    if (in->extents[i].length > 0) end = at;
  }
  // What is mounted over is written over in place, and may have been longer.
  return (end != in->size || in->size == 0) && ftruncate(file, (off_t)in->size) != 0 ? fail(unpacking, "cannot write", name) : 0;
}

static int put_file(struct unpacking *unpacking, int parent, const char *last, const char *name, int is_mounted) {
  uid_t uid; gid_t gid;
  owner_of(unpacking, &uid, &gid);
  int file = openat(parent, last, O_WRONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | (is_mounted ? O_TRUNC : O_CREAT | O_EXCL), 0600);
  if (file < 0) return fail(unpacking, "cannot create", name);
  int failed = write_data(unpacking, file, name);
  if (!failed) {
    struct timespec times[2] = { { 0, UTIME_NOW }, mtime_of(&unpacking->in) };
    // Owner before mode and capabilities: changing it clears them.
    if (fchown(file, uid, gid) != 0 || fchmod(file, unpacking->in.mode) != 0 || set_attributes(unpacking, file, last) != 0 || futimens(file, times) != 0) failed = fail(unpacking, "cannot set owner and mode of", name);
  }
  close(file);
  if (failed && !is_mounted) unlinkat(parent, last, 0);   // no half file
  return failed;
}

static int put_directory(struct unpacking *unpacking, int parent, const char *last, const char *name, int is_there) {
  uid_t uid; gid_t gid;
  owner_of(unpacking, &uid, &gid);
  if (!is_there && mkdirat(parent, last, 0700) != 0) return fail(unpacking, "cannot create the directory", name);
  int directory = openat(parent, last, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (directory < 0) return fail(unpacking, "cannot open the directory", name);
  int failed = fchown(directory, uid, gid) != 0 || fchmod(directory, unpacking->in.mode) != 0 || set_attributes(unpacking, directory, last) != 0;
  int error = errno;
  close(directory);
  errno = error;
  if (failed) return fail(unpacking, "cannot set owner and mode of", name);
  if ((unpacking->made_count & (unpacking->made_count - 1)) == 0) {
    unpacking->made = realloc(unpacking->made, (unpacking->made_count ? unpacking->made_count * 2 : 1) * sizeof *unpacking->made);
    if (!unpacking->made) return fail(unpacking, "cannot remember", name);
  }
  unpacking->made[unpacking->made_count++] = (struct made){ strdup(name), mtime_of(&unpacking->in) };
  return 0;
}

static int put_link(struct unpacking *unpacking, int parent, const char *last, const char *name) {
  static char target[65536];
  const char *other;
  if (!clean(unpacking->in.link.data, target, sizeof target) || !target[0]) return refuse(unpacking, "the archive holds a link to what is outside of it:", name);
  // parent_of keeps one directory open at a time.
  int here = dup(parent);
  int there = parent_of(unpacking, target, &other);
  int failed = there < 0 || here < 0 || linkat(there, other, here, last, 0) != 0;
  int error = errno;
  close(here);
  errno = error;
  return failed ? fail(unpacking, "cannot link", name) : 0;
}

static int put_special(struct unpacking *unpacking, int parent, const char *last, const char *name) {
  struct tar_read *in = &unpacking->in;
  uid_t uid; gid_t gid;
  owner_of(unpacking, &uid, &gid);
  int failed;
  switch (in->type) {
    case '2': failed = symlinkat(in->link.data, parent, last); break;
    case '3': failed = mknodat(parent, last, S_IFCHR | in->mode, makedev(in->major, in->minor)); break;
    case '4': failed = mknodat(parent, last, S_IFBLK | in->mode, makedev(in->major, in->minor)); break;
    default: failed = mknodat(parent, last, S_IFIFO | in->mode, 0);
  }
  if (failed) return fail(unpacking, "cannot create", name);
  struct timespec times[2] = { { 0, UTIME_NOW }, mtime_of(in) };
  failed = fchownat(parent, last, uid, gid, AT_SYMLINK_NOFOLLOW) != 0;
  if (!failed && in->attributes.length > 0) {
    failed = fchdir(parent) != 0 || set_attributes(unpacking, -1, last) != 0;
    if (fchdir(unpacking->base) != 0) failed = 1;
  }
  return failed || utimensat(parent, last, times, AT_SYMLINK_NOFOLLOW) != 0 ? fail(unpacking, "cannot set the owner of", name) : 0;
}

static int one(struct unpacking *unpacking) {
  static char name[65536];
  struct tar_read *in = &unpacking->in;
  if (!strchr("0123456", in->type)) return 0;   // volume labels and the like
  if (!clean(in->name.data, name, sizeof name)) return refuse(unpacking, "the archive holds a name that leads out of it:", in->name.data);
  if (!name[0]) return 0;   // the directory that is there
  const char *last;
  int parent = parent_of(unpacking, name, &last);
  if (parent < 0) return fail(unpacking, "cannot create the directory of", name);
  if (unpacking->options->markers != NO_MARKERS && strncmp(last, ".wh.", 4) == 0) return marker(unpacking, parent, last, name);

  struct stat old;
  int becomes_opaque = is_hidden(unpacking, parent, last);
  if (becomes_opaque && unhide(unpacking, parent, last) != 0) return fail(unpacking, "cannot replace what hides", name);
  int is_there = fstatat(parent, last, &old, AT_SYMLINK_NOFOLLOW) == 0, is_mounted = 0;
  if (is_there) {
    int was_directory = S_ISDIR(old.st_mode), is_directory = in->type == '5';
    if (unpacking->options->keeps_kinds && was_directory && !is_directory) return refuse(unpacking, "cannot overwrite a directory with what is none:", name);
    if (unpacking->options->keeps_kinds && !was_directory && is_directory) return refuse(unpacking, "cannot overwrite with a directory what is none:", name);
    if (!(was_directory && is_directory)) {
      // A link to itself: some archives name a file twice.
      static char target[65536];
      if (in->type == '1' && clean(in->link.data, target, sizeof target) && strcmp(target, name) == 0) return 0;
      if (remove_all(parent, last) == 0) is_there = 0;
      else if (errno == EBUSY && S_ISREG(old.st_mode) && in->type == '0') is_mounted = 1;   // /etc/hosts and its like keep their mount
      else return fail(unpacking, "cannot replace", name);
    }
  }
  int failed;
  switch (in->type) {
    case '0': failed = put_file(unpacking, parent, last, name, is_mounted); break;
    case '5': failed = put_directory(unpacking, parent, last, name, is_there); break;
    case '1': failed = put_link(unpacking, parent, last, name); break;
    default: failed = put_special(unpacking, parent, last, name);
  }
  if (!failed && becomes_opaque && in->type == '5' && set_opaque(unpacking, parent, last) != 0) failed = fail(unpacking, "cannot make opaque", name);
  return failed;
}

// A daemon that was killed has nobody who waits for this work, and its next life clears it away.
void end_with_parent(void) { prctl(PR_SET_PDEATHSIG, SIGKILL); }

int unpack(const struct unpack_options *options) {
  struct unpacking unpacking = { .options = options, .parent = -1, .base = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC) };
  umask(0);
  if (unpacking.base < 0 || tar_read_open(&unpacking.in, 0) != 0) { fail(&unpacking, "cannot begin in", "."); return unpacking.code; }
  int more;
  while ((more = tar_next(&unpacking.in)) == 1) if (one(&unpacking) != 0) return unpacking.code;
  if (more < 0) { if (unpacking.in.problem) refuse(&unpacking, unpacking.in.problem, NULL); else fail(&unpacking, "cannot read", "the archive"); return unpacking.code; }
  // Deepest first does not matter: setting a time changes no other directory's.
  for (size_t i = 0; i < unpacking.made_count; i++) {
    const char *last;
    int parent = parent_of(&unpacking, unpacking.made[i].name, &last);
    struct timespec times[2] = { { 0, UTIME_NOW }, unpacking.made[i].mtime };
    if (parent >= 0) utimensat(parent, last, times, AT_SYMLINK_NOFOLLOW);   // one that is gone has no time
  }
  // What follows the archive's end belongs to it: whoever sends it need not hear of a closed pipe.
  char rest[65536];
  while (read(0, rest, sizeof rest) > 0) {}
  return 0;
}

int unpack_main(int argc, char **argv) {
  if (argc != 3) return 2;
  end_with_parent();
  struct unpack_options options = { .markers = strcmp(argv[1], "delete") == 0 ? MARKERS_DELETE : strcmp(argv[1], "files") == 0 ? MARKERS_AS_FILES : MARKERS_FOR_OVERLAY };
  if (chdir(argv[2]) != 0 || chroot(".") != 0) { fprintf(stderr, "cannot enter %s: %s", argv[2], strerror(errno)); return 1; }
  int directory = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), code = unpack(&options);
  if (code == 0 && syncfs(directory) != 0) { fprintf(stderr, "cannot sync: %s", strerror(errno)); return exit_code_of(errno); }
  return code;
}
