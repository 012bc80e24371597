// Directories become archives, layers or lists of changes (pack.c); also used from within a container's view (container-files.c).
#ifndef SKEIN_PACK_H
#define SKEIN_PACK_H

#include "tar.h"

struct pack_options {
  int is_upper;              // an upper directory of overlayfs: devices 0/0 and opaque directories say what is deleted
  int may_hold_markers;      // an upper directory of fuse-overlayfs, which holds ".wh." names of its own beside what overlayfs notes
  int settles;               // the directory is becoming a layer: it is made what unpacking its own archive would give
  int lists;                 // "A/path\0", "C/path\0", "D/path\0" instead of an archive
  int measures;              // only the size of files, in digits
  struct timespec since;     // files whose status changed later are compared byte by byte; 0 = never
};

// What `directory` holds, or with below >= 0 what it changes of `below`; names in the archive begin with `prefix` ("" or "…/"). Closes neither.
int pack_tree(int directory, int below, const char *prefix, const struct pack_options *options);
// The entry `name` of `directory`, whatever it is, called `as` in the archive.
int pack_entry(int directory, const char *name, const char *as);

int pack_main(int argc, char **argv);

#endif
