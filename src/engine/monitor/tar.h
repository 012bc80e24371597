// tar archives: written by tar-write.c, made of directories by pack.c.
#ifndef SKEIN_TAR_H
#define SKEIN_TAR_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

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

#endif
