// Reads what tars are made of by Docker, GNU tar, bsdtar and Go: ustar with and without pax records, GNU's long names and numbers, four forms of sparse files.
// Whatever is read may be hostile: lengths are bounded, strings end, and nothing here touches a file.
#define _GNU_SOURCE
#include "tar.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUFFER_BYTES (256 * 1024)
#define EXTENDED_BYTES_MAX (8 * 1024 * 1024)
#define EXTENTS_MAX (1024 * 1024)

struct pax {                       // what extended headers say of the next entry
  struct bytes path, link, sparse_name, sparse_map;
  int has_size, has_uid, has_gid, has_mtime, is_sparse, sparse_major, sparse_minor, has_real_size;
  uint64_t size, real_size;
  uint32_t uid, gid;
  int64_t mtime;
  uint32_t nanoseconds;
};

int tar_read_open(struct tar_read *in, int fd) {
  *in = (struct tar_read){ .fd = fd, .buffer = malloc(BUFFER_BYTES) };
  return in->buffer ? 0 : -1;
}

static int broken(struct tar_read *in, const char *problem) { in->problem = problem; return -1; }

// At least one byte in the buffer; 0 at the end of input.
static ssize_t fill(struct tar_read *in) {
  if (in->start < in->end) return (ssize_t)(in->end - in->start);
  for (;;) {
    ssize_t count = read(in->fd, in->buffer, BUFFER_BYTES);
    if (count < 0 && errno == EINTR) continue;
    in->start = 0;
    in->end = count > 0 ? (size_t)count : 0;
    return count;
  }
}

static int take(struct tar_read *in, char *into, uint64_t length) {
  while (length > 0) {
    ssize_t count = fill(in);
    if (count < 0) return -1;
    if (count == 0) return broken(in, "the archive is cut short");
    size_t part = (uint64_t)count < length ? (size_t)count : (size_t)length;
    if (into) { memcpy(into, in->buffer + in->start, part); into += part; }
    in->start += part;
    length -= part;
  }
  return 0;
}

ssize_t tar_data(struct tar_read *in, const char **data, size_t size) {
  if (in->left == 0 || size == 0) return 0;
  ssize_t count = fill(in);
  if (count < 0) return -1;
  if (count == 0) return broken(in, "the archive is cut short");
  size_t part = (uint64_t)count < in->left ? (size_t)count : (size_t)in->left;
  if (part > size) part = size;
  *data = in->buffer + in->start;
  in->start += part;
  in->left -= part;
  return (ssize_t)part;
}

// Octal digits, or GNU's base 256 when the first bit is set.
static uint64_t number(const char *field, size_t size) {
  uint64_t value = 0;
  if (field[0] & 0x80) {
    if (field[0] & 0x40) return 0;   // negative
    value = (unsigned char)field[0] & 0x3f;
    for (size_t i = 1; i < size; i++) value = (value << 8) | (unsigned char)field[i];
    return value;
  }
  size_t i = 0;
  while (i < size && (field[i] == ' ' || field[i] == 0)) i++;
  for (; i < size && field[i] >= '0' && field[i] <= '7'; i++) value = (value << 3) | (uint64_t)(field[i] - '0');
  return value;
}

static int is_sound(const char *header) {
  unsigned sum = 8 * ' ';
  int signed_sum = 8 * ' ';
  for (int i = 0; i < TAR_BLOCK; i++) if (i < 148 || i >= 156) { sum += (unsigned char)header[i]; signed_sum += (signed char)header[i]; }
  uint64_t told = number(header + 148, 8);
  return told == sum || told == (uint64_t)(int64_t)signed_sum;
}

static void set_text(struct bytes *into, const char *text, size_t length) {
  into->length = 0;
  bytes_add(into, text, strnlen(text, length));
}

static int add_extent(struct tar_read *in, uint64_t at, uint64_t length) {
  if (in->extent_count == EXTENTS_MAX) return broken(in, "a sparse file in the archive has too many pieces");
  if ((in->extent_count & (in->extent_count - 1)) == 0) {
    in->extents = realloc(in->extents, (in->extent_count ? in->extent_count * 2 : 1) * sizeof *in->extents);
    if (!in->extents) return broken(in, "out of memory");
  }
  in->extents[in->extent_count++] = (struct tar_extent){ at, length };
  return 0;
}

static int body(struct tar_read *in, uint64_t size, struct bytes *into) {
  if (size > EXTENDED_BYTES_MAX) return broken(in, "a header of the archive is too long");
  char *text = malloc(size + 1);
  if (!text) return broken(in, "out of memory");
  int failed = take(in, text, size) != 0 || take(in, NULL, (TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK) != 0;
  into->length = 0;
  if (!failed) bytes_add(into, text, size);
  free(text);
  return failed ? -1 : 0;
}

static void seconds(const char *text, int64_t *whole, uint32_t *nanoseconds) {
  char *rest;
  int is_negative = text[0] == '-';
  *whole = strtoll(text, &rest, 10);
  uint32_t fraction = 0, unit = 100000000;
  if (*rest == '.') for (rest++; *rest >= '0' && *rest <= '9' && unit > 0; rest++, unit /= 10) fraction += (uint32_t)(*rest - '0') * unit;
  // -1.25 is 0.75 after -2.
  if (is_negative && fraction > 0) { *whole -= 1; fraction = 1000000000 - fraction; }
  *nanoseconds = fraction;
}

static int one_record(struct tar_read *in, struct pax *pax, const char *key, const char *value, size_t length) {
  if (strcmp(key, "path") == 0) { pax->path.length = 0; bytes_add(&pax->path, value, length); }
  else if (strcmp(key, "linkpath") == 0) { pax->link.length = 0; bytes_add(&pax->link, value, length); }
  else if (strcmp(key, "size") == 0) { pax->has_size = 1; pax->size = strtoull(value, NULL, 10); }
  else if (strcmp(key, "uid") == 0) { pax->has_uid = 1; pax->uid = (uint32_t)strtoull(value, NULL, 10); }
  else if (strcmp(key, "gid") == 0) { pax->has_gid = 1; pax->gid = (uint32_t)strtoull(value, NULL, 10); }
  else if (strcmp(key, "mtime") == 0) { pax->has_mtime = 1; seconds(value, &pax->mtime, &pax->nanoseconds); }
  else if (strncmp(key, "SCHILY.xattr.", 13) == 0 && key[13]) {
    uint32_t size = (uint32_t)length;
    bytes_add(&in->attributes, key + 13, strlen(key + 13) + 1);
    bytes_add(&in->attributes, &size, sizeof size);
    bytes_add(&in->attributes, value, length);
  }
  else if (strcmp(key, "GNU.sparse.major") == 0) { pax->is_sparse = 1; pax->sparse_major = atoi(value); }
  else if (strcmp(key, "GNU.sparse.minor") == 0) { pax->is_sparse = 1; pax->sparse_minor = atoi(value); }
  else if (strcmp(key, "GNU.sparse.name") == 0) { pax->sparse_name.length = 0; bytes_add(&pax->sparse_name, value, length); }
  else if (strcmp(key, "GNU.sparse.realsize") == 0 || strcmp(key, "GNU.sparse.size") == 0) { pax->is_sparse = pax->has_real_size = 1; pax->real_size = strtoull(value, NULL, 10); }
  else if (strcmp(key, "GNU.sparse.map") == 0) { pax->sparse_map.length = 0; bytes_add(&pax->sparse_map, value, length); bytes_add(&pax->sparse_map, ",", 1); }
  else if (strcmp(key, "GNU.sparse.offset") == 0 || strcmp(key, "GNU.sparse.numbytes") == 0) { bytes_add(&pax->sparse_map, value, length); bytes_add(&pax->sparse_map, ",", 1); }
  return 0;
}

// "LENGTH KEY=VALUE\n", again and again.
static int records(struct tar_read *in, struct pax *pax, struct bytes *text) {
  for (size_t at = 0; at < text->length;) {
    char *rest;
    unsigned long long length = strtoull(text->data + at, &rest, 10);
    char *record = rest + 1, *end = text->data + at + length - 1;
    if (*rest != ' ' || length < 5 || length > text->length - at || record >= end || *end != '\n') return broken(in, "an extended header of the archive is damaged");
    char *equals = memchr(record, '=', (size_t)(end - record));
    if (!equals) return broken(in, "an extended header of the archive is damaged");
    *equals = *end = 0;
    if (one_record(in, pax, record, equals + 1, (size_t)(end - equals - 1)) != 0) return -1;
    at += length;
  }
  return 0;
}

// GNU's sparse 0.x: "offset,length,offset,length,".
static int extents_of_text(struct tar_read *in, struct bytes *map) {
  for (char *at = map->data; at && *at;) {
    uint64_t from = strtoull(at, &at, 10);
    if (*at++ != ',') return broken(in, "a sparse file in the archive is damaged");
    uint64_t length = strtoull(at, &at, 10);
    if (*at++ != ',' || add_extent(in, from, length) != 0) return in->problem ? -1 : broken(in, "a sparse file in the archive is damaged");
  }
  return 0;
}

// Sparse 1.0: the map is lines at the beginning of the data, filled up to a block.
static int extents_of_body(struct tar_read *in) {
  char block[TAR_BLOCK];
  size_t at = TAR_BLOCK;
  uint64_t count = 0, values[2] = { 0 };
  for (uint64_t i = 0; i == 0 || i <= count * 2; i++) {
    uint64_t value = 0;
    for (int digits = 0;; digits++) {
      if (at == TAR_BLOCK) {
        if (in->left < TAR_BLOCK) return broken(in, "a sparse file in the archive is damaged");
        if (take(in, block, TAR_BLOCK) != 0) return -1;
        in->left -= TAR_BLOCK;
        at = 0;
      }
      char digit = block[at++];
      if (digit == '\n' && digits > 0) break;
      if (digit < '0' || digit > '9' || digits > 19) return broken(in, "a sparse file in the archive is damaged");
      value = value * 10 + (uint64_t)(digit - '0');
    }
    if (i == 0) { count = value; if (count > EXTENTS_MAX) return broken(in, "a sparse file in the archive has too many pieces"); continue; }
    values[(i - 1) % 2] = value;
    if (i % 2 == 0 && add_extent(in, values[0], values[1]) != 0) return -1;
  }
  return 0;
}

// GNU's old form 'S': four extents in the header, 21 in each block that follows.
static int extents_of_header(struct tar_read *in, const char *header) {
  for (int i = 0; i < 4; i++) if (header[386 + 24 * i + 12] && add_extent(in, number(header + 386 + 24 * i, 12), number(header + 386 + 24 * i + 12, 12)) != 0) return -1;
  char block[TAR_BLOCK];
  for (int goes_on = header[482]; goes_on; goes_on = block[504]) {
    if (take(in, block, TAR_BLOCK) != 0) return -1;
    for (int i = 0; i < 21; i++) if (block[24 * i + 12] && add_extent(in, number(block + 24 * i, 12), number(block + 24 * i + 12, 12)) != 0) return -1;
  }
  return 0;
}

static int sound_extents(struct tar_read *in) {
  uint64_t end = 0, data = 0;
  for (size_t i = 0; i < in->extent_count; i++) {
    struct tar_extent extent = in->extents[i];
    if (extent.at < end || extent.length > in->size || extent.at > in->size - extent.length) return broken(in, "a sparse file in the archive is damaged");
    end = extent.at + extent.length;
    data += extent.length;
  }
  return data == in->left ? 0 : broken(in, "a sparse file in the archive is damaged");
}

static int entry(struct tar_read *in, const char *header, struct pax *pax) {
  int is_ustar = memcmp(header + 257, "ustar", 5) == 0, is_gnu = memcmp(header + 257, "ustar  ", 7) == 0;
  struct bytes *path = pax->sparse_name.length > 0 ? &pax->sparse_name : &pax->path;
  in->name.length = 0;
  if (path->length > 0) set_text(&in->name, path->data, path->length);
  else {
    if (is_ustar && !is_gnu && header[345]) { bytes_add(&in->name, header + 345, strnlen(header + 345, 155)); bytes_add(&in->name, "/", 1); }
    bytes_add(&in->name, header, strnlen(header, 100));
  }
  if (pax->link.length > 0) set_text(&in->link, pax->link.data, pax->link.length); else set_text(&in->link, header + 157, 100);
  in->type = header[156] == 0 || header[156] == '7' || header[156] == 'S' ? '0' : header[156];
  // Before ustar a directory was a file whose name ends so.
  if (in->type == '0' && in->name.length > 0 && in->name.data[in->name.length - 1] == '/') in->type = '5';
  in->mode = (uint32_t)number(header + 100, 8) & 07777;
  in->uid = pax->has_uid ? pax->uid : (uint32_t)number(header + 108, 8);
  in->gid = pax->has_gid ? pax->gid : (uint32_t)number(header + 116, 8);
  in->mtime = pax->has_mtime ? pax->mtime : (int64_t)number(header + 136, 12);
  in->mtime_nanoseconds = pax->has_mtime ? pax->nanoseconds : 0;
  in->major = (uint32_t)number(header + 329, 8);
  in->minor = (uint32_t)number(header + 337, 8);
  uint64_t stored = pax->has_size ? pax->size : number(header + 124, 12);
  if (stored > INT64_MAX - TAR_BLOCK) return broken(in, "a size in the archive is impossible");
  // Links and the like have no data, whatever their size field says of the file they lead to.
  if (in->type != '0' && strchr("123456", in->type)) stored = 0;
  in->left = stored;
  in->padding = (TAR_BLOCK - stored % TAR_BLOCK) % TAR_BLOCK;
  in->size = stored;
  if (header[156] == 'S') {
    in->size = number(header + 483, 12);
    if (extents_of_header(in, header) != 0) return -1;
  } else if (pax->is_sparse && in->type == '0') {
    if (pax->has_real_size) in->size = pax->real_size;
    if (pax->sparse_major >= 1 ? extents_of_body(in) != 0 : extents_of_text(in, &pax->sparse_map) != 0) return -1;
  } else return add_extent(in, 0, stored);
  if (in->size > INT64_MAX) return broken(in, "a size in the archive is impossible");
  return sound_extents(in);
}

static void forget(struct pax *pax) {
  bytes_free(&pax->path);
  bytes_free(&pax->link);
  bytes_free(&pax->sparse_name);
  bytes_free(&pax->sparse_map);
}

int tar_next(struct tar_read *in) {
  if (take(in, NULL, in->left) != 0 || take(in, NULL, in->padding) != 0) return -1;
  in->left = in->padding = 0;
  in->attributes.length = in->extent_count = 0;
  struct pax pax = { 0 };
  struct bytes text = { 0 };
  int result = -1, empty_blocks = 0, is_pending = 0;
  for (;;) {
    char header[TAR_BLOCK];
    ssize_t count = fill(in);
    if (count < 0) break;
    if (count == 0) { if (is_pending) broken(in, "the archive is cut short"); else result = 0; break; }   // some writers leave out the end
    if (take(in, header, TAR_BLOCK) != 0) break;
    static const char nothing[TAR_BLOCK];
    if (memcmp(header, nothing, TAR_BLOCK) == 0) { if (++empty_blocks == 2) { result = 0; break; } continue; }
    empty_blocks = 0;
    if (!is_sound(header)) { broken(in, "this is no tar archive, or it is damaged"); break; }
    uint64_t size = number(header + 124, 12);
    if (header[156] == 'L' || header[156] == 'K') {
      struct bytes *into = header[156] == 'L' ? &pax.path : &pax.link;
      if (body(in, size, into) != 0) break;
      into->length = strnlen(into->data, into->length);
      is_pending = 1;
      continue;
    }
    if (header[156] == 'x' || header[156] == 'X') {
      if (body(in, size, &text) != 0 || records(in, &pax, &text) != 0) break;
      is_pending = 1;
      continue;
    }
    if (header[156] == 'g') { if (body(in, size, &text) != 0) break; continue; }   // nothing that is used here is said of a whole archive
    result = entry(in, header, &pax) == 0 ? 1 : -1;
    break;
  }
  bytes_free(&text);
  forget(&pax);
  return result;
}
