// tar archives: written by tar-write.c and made of directories by pack.c; read by tar-read.c and made into directories by unpack.c.
#ifndef SKEIN_TAR_H
#define SKEIN_TAR_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#define TAR_BLOCK 512

struct bytes { char *data; size_t length, capacity; };
void bytes_add(struct bytes *bytes, const void *data, size_t length);
void bytes_free(struct bytes *bytes);

struct tar_out { int fd; char *buffer; size_t used; };
struct tar_entry {
  char type;                       // '0' file, '1' hard link, '2' symbolic link, '3' '4' devices, '5' directory, '6' FIFO
  const char *name, *link;         // link: "" for none
  uint32_t mode, uid, gid, major, minor;
  uint64_t size;
  int64_t mtime;                   // whole seconds
  struct bytes *records;           // pax records beside those that the fields need
};

// All return 0, or -1 with errno.
int tar_open(struct tar_out *out, int fd);
int tar_header(struct tar_out *out, const struct tar_entry *entry);
int tar_bytes(struct tar_out *out, const void *data, size_t length);
// `length` bytes of `file` from `offset` on; what is not there any more is zeros.
int tar_file(struct tar_out *out, int file, uint64_t offset, uint64_t length);
// Zeros to the end of a block, after `length` bytes of contents.
int tar_pad(struct tar_out *out, uint64_t length);
int tar_flush(struct tar_out *out);
int tar_end(struct tar_out *out);
void tar_record(struct bytes *records, const char *key, const void *value, size_t length);


// ---- reading ----

struct tar_extent { uint64_t at, length; };
// An entry as it was meant: extended headers and old formats are resolved. Its strings live until the next one is read.
struct tar_read {
  char type;                       // as above; what has no meaning here is passed over
  struct bytes name, link;
  uint32_t mode, uid, gid, major, minor;
  uint64_t size;                   // of the file, holes included
  int64_t mtime;
  uint32_t mtime_nanoseconds;
  struct bytes attributes;         // NAME\0, 4 bytes of length, VALUE, and so on
  struct tar_extent *extents;      // where its data lies; one extent unless it has holes
  size_t extent_count;
  // The reader's own:
  int fd;
  char *buffer;
  size_t start, end;               // of what is in the buffer
  uint64_t left, padding;          // of the entry's body
  const char *problem;             // why reading failed, if it is the archive
};

int tar_read_open(struct tar_read *in, int fd);
// 1 and an entry, 0 at the end, -1 with in->problem or errno.
int tar_next(struct tar_read *in);
// Up to `size` bytes of the entry's data; 0 at its end.
ssize_t tar_data(struct tar_read *in, const char **data, size_t size);

#endif
