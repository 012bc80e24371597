// Archives become files (unpack.c).
#ifndef SKEIN_UNPACK_H
#define SKEIN_UNPACK_H

#include <stdint.h>

struct unpack_options {
  enum { NO_MARKERS, MARKERS_AS_FILES, MARKERS_FOR_OVERLAY, MARKERS_DELETE } markers;   // what ".wh." names mean, and become
  int keeps_kinds;           // a directory is not replaced by anything else, nor the other way round
  int has_owner;             // all that is made belongs to this user, whatever the archive says
  uint32_t uid, gid;
};

// How such programs end, beside 0; the reason is on stderr.
enum { EXIT_OTHER = 1, EXIT_NOT_FOUND = 10, EXIT_NOT_DIRECTORY = 11, EXIT_BAD_ARCHIVE = 12, EXIT_READ_ONLY = 13, EXIT_NO_SPACE = 14, EXIT_GONE = 15 };

// Everything from descriptor 0 into the working directory. Names lead nowhere else than from the process's root down. One of the above.
int unpack(const struct unpack_options *options);
// `flags` of open(2), with the guards that all paths from outside need.
int open_safely(int directory, const char *path, int flags);
int exit_code_of(int error);
void end_with_parent(void);

int unpack_main(int argc, char **argv);
int files_main(int argc, char **argv);   // container-files.c

#endif
