// A tar archive as a stream: ustar headers, and pax records (POSIX.1-2001 "pax Interchange Format") for what those cannot hold.
// Its bytes depend on nothing but the entries: no access times, no names of users, no padding from memory.
#define _GNU_SOURCE
#include "tar.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <unistd.h>

#define BUFFER_BYTES (256 * 1024)
// From here on the kernel moves a file's pages itself.
#define SENDFILE_BYTES (128 * 1024)

void bytes_add(struct bytes *bytes, const void *data, size_t length) {
  if (bytes->length + length + 1 > bytes->capacity) {
    bytes->capacity = (bytes->length + length + 1) * 2;
    bytes->data = realloc(bytes->data, bytes->capacity);
    if (!bytes->data) { fprintf(stderr, "out of memory"); _exit(1); }
  }
  memcpy(bytes->data + bytes->length, data, length);
  bytes->length += length;
  bytes->data[bytes->length] = 0;
}

void bytes_free(struct bytes *bytes) { free(bytes->data); memset(bytes, 0, sizeof *bytes); }

int tar_open(struct tar_out *out, int fd) {
  out->fd = fd;
  out->used = 0;
  out->buffer = malloc(BUFFER_BYTES);
  return out->buffer ? 0 : -1;
}

int tar_flush(struct tar_out *out) {
  for (size_t done = 0; done < out->used;) {
    ssize_t count = write(out->fd, out->buffer + done, out->used - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return -1;
    done += (size_t)count;
  }
  out->used = 0;
  return 0;
}

int tar_bytes(struct tar_out *out, const void *data, size_t length) {
  for (size_t done = 0; done < length;) {
    if (out->used == BUFFER_BYTES && tar_flush(out) != 0) return -1;
    size_t part = length - done < BUFFER_BYTES - out->used ? length - done : BUFFER_BYTES - out->used;
    memcpy(out->buffer + out->used, (const char *)data + done, part);
    out->used += part;
    done += part;
  }
  return 0;
}

static int zeros(struct tar_out *out, uint64_t length) {
  static const char nothing[4096];
  for (; length > sizeof nothing; length -= sizeof nothing) if (tar_bytes(out, nothing, sizeof nothing) != 0) return -1;
  return tar_bytes(out, nothing, (size_t)length);
}

int tar_pad(struct tar_out *out, uint64_t length) { return zeros(out, (TAR_BLOCK - length % TAR_BLOCK) % TAR_BLOCK); }

int tar_file(struct tar_out *out, int file, uint64_t offset, uint64_t length) {
  off_t at = (off_t)offset;
  uint64_t left = length;
  if (length >= SENDFILE_BYTES) {
    if (tar_flush(out) != 0) return -1;
    while (left > 0) {
      ssize_t count = sendfile(out->fd, file, &at, left < (1u << 30) ? left : (1u << 30));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0 && errno == EINVAL) break;   // the file or the output cannot: by hand
      if (count < 0) return -1;
      if (count == 0) return zeros(out, left);
      left -= (uint64_t)count;
    }
  }
  while (left > 0) {
    if (out->used == BUFFER_BYTES && tar_flush(out) != 0) return -1;
    size_t room = BUFFER_BYTES - out->used;
    ssize_t count = pread(file, out->buffer + out->used, left < room ? left : room, at);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return -1;
    if (count == 0) return zeros(out, left);
    out->used += (size_t)count;
    at += count;
    left -= (uint64_t)count;
  }
  return 0;
}

// "LENGTH KEY=VALUE\n", where LENGTH counts itself too.
void tar_record(struct bytes *records, const char *key, const void *value, size_t length) {
  size_t body = 1 + strlen(key) + 1 + length + 1, total = body + 1;
  char digits[24];
  while ((size_t)snprintf(digits, sizeof digits, "%zu", total) + body != total) total = (size_t)snprintf(digits, sizeof digits, "%zu", total) + body;
  bytes_add(records, digits, strlen(digits));
  bytes_add(records, " ", 1);
  bytes_add(records, key, strlen(key));
  bytes_add(records, "=", 1);
  bytes_add(records, value, length);
  bytes_add(records, "\n", 1);
}

static void number_record(struct bytes *records, const char *key, int64_t value) {
  char text[32];
  tar_record(records, key, text, (size_t)snprintf(text, sizeof text, "%" PRId64, value));
}

static void octal(char *field, size_t size, uint64_t value) {
  field[size - 1] = 0;
  for (size_t i = size - 1; i-- > 0; value >>= 3) field[i] = (char)('0' + (value & 7));
}

static int block(struct tar_out *out, char type, const char *name, const char *prefix, size_t prefix_length, const struct tar_entry *entry, uint64_t size) {
  char header[TAR_BLOCK] = { 0 };
  // A name that fills its field has no final zero there.
  memcpy(header, name, strnlen(name, 100));
  octal(header + 100, 8, entry ? entry->mode & 07777 : 0644);
  octal(header + 108, 8, entry && entry->uid <= 07777777 ? entry->uid : 0);
  octal(header + 116, 8, entry && entry->gid <= 07777777 ? entry->gid : 0);
  octal(header + 124, 12, size <= 077777777777 ? size : 0);
  octal(header + 136, 12, entry && entry->mtime >= 0 && entry->mtime <= 077777777777 ? (uint64_t)entry->mtime : 0);
  header[156] = type;
  if (entry) memcpy(header + 157, entry->link, strnlen(entry->link, 100));
  memcpy(header + 257, "ustar\00000", 8);
  octal(header + 329, 8, entry && entry->major <= 07777777 ? entry->major : 0);
  octal(header + 337, 8, entry && entry->minor <= 07777777 ? entry->minor : 0);
  memcpy(header + 345, prefix, prefix_length);
  memset(header + 148, ' ', 8);
  unsigned sum = 0;
  for (int i = 0; i < TAR_BLOCK; i++) sum += (unsigned char)header[i];
  octal(header + 148, 7, sum);
  return tar_bytes(out, header, sizeof header);
}

int tar_header(struct tar_out *out, const struct tar_entry *entry) {
  struct bytes records = { 0 };
  size_t length = strlen(entry->name), prefix = 0;
  if (length > 100) {
    // ustar: up to 155 bytes, a "/" that is not written, up to 100 bytes.
    for (size_t i = length - 101; i <= 155 && i + 1 < length; i++) if (entry->name[i] == '/' && i > 0) { prefix = i; break; }
    if (prefix == 0) tar_record(&records, "path", entry->name, length);
  }
  if (strlen(entry->link) > 100) tar_record(&records, "linkpath", entry->link, strlen(entry->link));
  if (entry->uid > 07777777) number_record(&records, "uid", entry->uid);
  if (entry->gid > 07777777) number_record(&records, "gid", entry->gid);
  if (entry->size > 077777777777) number_record(&records, "size", (int64_t)entry->size);
  if (entry->mtime < 0 || entry->mtime > 077777777777) number_record(&records, "mtime", entry->mtime);
  if (entry->records && entry->records->length > 0) bytes_add(&records, entry->records->data, entry->records->length);
  int failed = 0;
  if (records.length > 0) {
    failed = block(out, 'x', "PaxHeader", "", 0, NULL, records.length) != 0 || tar_bytes(out, records.data, records.length) != 0 || tar_pad(out, records.length) != 0;
  }
  bytes_free(&records);
  if (failed) return -1;
  return block(out, entry->type, prefix ? entry->name + prefix + 1 : entry->name, entry->name, prefix, entry, entry->size);
}

int tar_end(struct tar_out *out) { return zeros(out, 2 * TAR_BLOCK) != 0 ? -1 : tar_flush(out); }
