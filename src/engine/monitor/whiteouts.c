// apply-whiteouts DIRECTORY: an unpacked image layer names what it deletes as files ".wh.NAME" (OCI image layer spec); overlayfs
// wants a character device 0/0 named NAME, and the attribute trusted.overlay.opaque on a directory that hides what is below.
// Then everything is synced, so that a layer that is renamed into place is whole after a power cut.
// Walks by file descriptors and never through a symbolic link, so a layer cannot lead it outside.
#define _GNU_SOURCE
#include "monitor.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

static int fail(const char *what, const char *name) {
  fprintf(stderr, "%s \"%s\": %s", what, name, strerror(errno));
  return -1;
}

static int make_opaque(int directory) {
  return fsetxattr(directory, "trusted.overlay.opaque", "y", 1, 0);
}

static int apply(int directory, const char *name) {
  if (unlinkat(directory, name, 0) != 0) return fail("cannot remove the marker", name);
  if (strcmp(name, ".wh..wh..opq") == 0) return make_opaque(directory) ? fail("cannot make opaque the directory of", name) : 0;
  if (strncmp(name, ".wh..wh.", 8) == 0) return 0;                    // bookkeeping of aufs
  const char *hidden = name + 4;
  if (!hidden[0] || strcmp(hidden, ".") == 0 || strcmp(hidden, "..") == 0) { errno = EINVAL; return fail("the layer holds a bad whiteout", name); }
  if (mknodat(directory, hidden, S_IFCHR, makedev(0, 0)) == 0) return 0;
  if (errno != EEXIST) return fail("cannot hide", hidden);
  // The layer brings the same name itself: a new directory hides the old one's contents, a new file hides it anyway.
  int below = openat(directory, hidden, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (below < 0) return 0;
  int bad = make_opaque(below);
  close(below);
  return bad ? fail("cannot make opaque", hidden) : 0;
}

static int walk(int directory, int depth) {
  if (depth > 1000) { errno = ELOOP; return fail("the layer is too deep at", ""); }
  DIR *stream = fdopendir(directory);
  if (!stream) { close(directory); return fail("cannot read", ""); }
  int bad = 0;
  struct dirent *entry;
  while (!bad && (entry = readdir(stream))) {
    const char *name = entry->d_name;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) continue;
    if (strncmp(name, ".wh.", 4) == 0) { bad = apply(dirfd(stream), name); continue; }
    if (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN) continue;
    int below = openat(dirfd(stream), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (below >= 0) bad = walk(below, depth + 1);
  }
  closedir(stream);
  return bad;
}

int apply_whiteouts_main(int argc, char **argv) {
  if (argc != 2) return 2;
  int root = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) return fail("cannot open", argv[1]) ? 1 : 0;
  int copy = dup(root);
  if (walk(root, 0) != 0) return 1;
  if (syncfs(copy) != 0) return fail("cannot sync", argv[1]) ? 1 : 0;
  return 0;
}
